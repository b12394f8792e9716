"""One network trained by several processes or devices: each takes its share of every batch."""

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
    """Return how many tasks the Slurm step has that this process is one of; one where there is no step."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def is_primary() -> bool:
    """Return whether this process is the one of all tasks that writes and tells."""
    return process_count() == 1 or os.environ["SLURM_PROCID"] == "0"


def join_processes() -> None:
    """Join the other tasks of the Slurm step, where there are any; must come before JAX computes anything."""
    if process_count() > 1:
        jax.distributed.initialize()
        # They meet before any has compiled: later, one that compiles longer would be given up by the rest.
        multihost_utils.sync_global_devices("joined")


def assert_same_on_all_hosts(text: str) -> None:
    """Raise AssertionError where the tasks do not all give the same text."""
    if process_count() > 1:
        multihost_utils.assert_equal(np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8))


class DeviceMesh:
    """Where arrays lie: batches dealt out by sessions, everything else whole on every device.

    XLA then adds up the derivatives of all shares, so that a step does what one device would have done. With
    one device nothing is placed at all.
    """

    def __init__(self) -> None:
        self.count = jax.device_count()
        mesh = Mesh(np.array(jax.devices()), ("sessions",), axis_types=(AxisType.Auto,))
        self._dealt = NamedSharding(mesh, PartitionSpec("sessions"))
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._gather = jax.jit(lambda tree: tree, out_shardings=self._whole)

    def shard(self, *arrays: NDArray[Any]) -> tuple[Any, ...]:
        """Deal out arrays [sessions, ...], padded with zeros to a multiple of the devices."""
        return arrays if self.count == 1 else tuple(self._deal(array) for array in arrays)

    def _deal(self, array: NDArray[Any]) -> Array:
        missing = -len(array) % self.count
        padded = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return jax.make_array_from_callback(padded.shape, self._dealt, lambda index: padded[index])

    def replicate(self, tree: Any) -> Any:
        """Return arrays that all processes have alike, or that are dealt out, as whole on every device."""
        return tree if self.count == 1 else self._gather(tree)
