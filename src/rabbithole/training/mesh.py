"""Data parallelism: several processes or devices train one network, each on its shard of every batch."""

import hashlib
import os
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray


def process_count() -> int:
    """Return the number of tasks of this Slurm step; 1 outside Slurm."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def is_primary() -> bool:
    """Return whether this process writes files and logs (process 0)."""
    return process_count() == 1 or os.environ["SLURM_PROCID"] == "0"


def join_processes() -> None:
    """Connect this process with the other tasks of its Slurm step, before JAX computes anything."""
    if process_count() > 1:
        jax.distributed.initialize()
        # They wait for each other before compiling: later, JAX gives up on a process that compiles longer.
        multihost_utils.sync_global_devices("joined")


def assert_same_on_all_hosts(text: str) -> None:
    """Raise AssertionError when the processes do not all pass the same text."""
    if process_count() > 1:
        multihost_utils.assert_equal(np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8))


class DeviceMesh:
    """All devices of all processes. Batches are sharded by session; everything else is replicated.

    XLA adds up the gradients of all shards, so that a step computes what one device would compute. With one
    device, nothing is placed explicitly.
    """

    def __init__(self) -> None:
        self.count = jax.device_count()
        mesh = Mesh(np.array(jax.devices()), ("sessions",), axis_types=(AxisType.Auto,))
        self._sharded = NamedSharding(mesh, PartitionSpec("sessions"))
        self._replicate = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))

    def shard(self, *arrays: NDArray[Any]) -> tuple[Any, ...]:
        """Distribute arrays [sessions, ...], padded with zeros to a multiple of the devices."""
        return arrays if self.count == 1 else tuple(self._shard(array) for array in arrays)

    def _shard(self, array: NDArray[Any]) -> Array:
        missing = -len(array) % self.count
        padded = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return jax.make_array_from_callback(padded.shape, self._sharded, lambda index: padded[index])

    def replicate(self, tree: Any) -> Any:
        """Return a copy of the arrays on every device; they are sharded, or equal in all processes."""
        return tree if self.count == 1 else self._replicate(tree)
