"""Data parallelism: several processes or devices train one network, each on its shard of every batch."""

import hashlib
import os
from typing import Any

import jax
import numpy as np
from jax import Array
from jax._src.clusters.slurm_cluster import SlurmCluster
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

STEP_OF_JOB = "RABBITHOLE_SLURM_STEP"
"""Variable with the Slurm step in which a job of the workflow starts, as `job.step`."""


def process_count() -> int:
    """Return the number of tasks that train together: those of this Slurm step; 1 outside Slurm.

    A job of the workflow without a launcher of its own is alone, even if somebody started Snakemake in a step
    of several tasks (`srun -n 4 --pty bash`), whose variables it inherits.
    """
    step = f"{os.environ.get('SLURM_JOB_ID', '')}.{os.environ.get('SLURM_STEP_ID', '')}"
    if os.environ.get(STEP_OF_JOB) == step:
        return 1
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def is_primary() -> bool:
    """Return whether this process writes files and logs (process 0)."""
    return process_count() == 1 or os.environ["SLURM_PROCID"] == "0"


def join_processes() -> None:
    """Connect this process with the other tasks of its Slurm step, before JAX computes anything."""
    if process_count() > 1:
        address = _coordinator_address()
        # By default JAX listens on all interfaces, where anybody may join.
        jax.distributed.initialize(address, coordinator_bind_address=address)
        # They wait for each other before compiling: later, JAX gives up on a process that compiles longer.
        multihost_utils.sync_global_devices("joined")


def _coordinator_address() -> str:
    """Return where the tasks of a Slurm step meet: on its first node, on loopback if that is the only one."""
    address = SlurmCluster.get_coordinator_address(None, None)
    if os.environ.get("SLURM_STEP_NUM_NODES", "1") == "1":
        return f"127.0.0.1:{address.rpartition(':')[2]}"
    return address


def assert_same_on_all_hosts(text: str) -> None:
    """Raise AssertionError when the processes do not all pass the same text."""
    if process_count() > 1:
        multihost_utils.assert_equal(np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8))


def primary_value(value: float) -> float:
    """Return the value that the primary process passes, in all processes."""
    if process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


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
