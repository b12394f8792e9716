"""The training loop of all networks (epochs, early stopping, progress), and the processes that share it."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax._src.clusters.slurm_cluster import SlurmCluster
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from rabbithole.progress import Meter, report_label

PRNG_IMPL = "rbg"
"""JAX's hardware-backed generator. With the default, threefry, dropout costs as much time as the network."""

Metrics = dict[str, float]
"""Metrics of an epoch: `epoch`, `loss`, and what `EpochTask.evaluate` returns."""


@dataclass
class TrainingProgress:
    """Where a training stands: everything that it needs to continue.

    state: a tree of arrays (weights, optimiser, ...) with `sums`, float32 [2], over the epoch so far, whose
    ratio is the training loss; best: the weights of the best epoch, a tree of arrays; epoch: finished epochs;
    batch: finished batches of the current epoch; rows: metrics per epoch; seconds: per epoch (for an epoch
    that was interrupted: since it was resumed).
    """

    state: Any
    best: Any
    best_epoch: int = 0
    epoch: int = 0
    batch: int = 0
    rows: list[Metrics] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


OnEpoch = Callable[[Metrics, float], None]
"""Called after each epoch with its metrics and the training speed in examples per second."""

OnBatch = Callable[[TrainingProgress], None]
"""Called after each batch and each epoch; it may save the progress."""


class EpochTask(Protocol):
    """A network and its data, as the loop sees them. Seed, epoch and batch fix everything that is random.

    unit: what `examples` counts, in the plural.
    """

    unit: str

    def batches(self, epoch: int) -> Sequence[Any]:
        """Return the batches of an epoch in order."""

    def train_batch(self, state: Any, batch: Any, *, epoch: int, number: int) -> Any:
        """Return the state after batch `number` of an epoch; reuses the memory of `state`."""

    def examples(self, batch: Any) -> int:
        """Return the number of training examples in a batch."""

    def evaluate(self, state: Any) -> Metrics:
        """Return metrics on data that is not trained on."""

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the value that early stopping maximises."""

    def weights(self, state: Any) -> Any:
        """Return the part of the state that is kept of the best epoch."""


def start(task: EpochTask, state: Any) -> TrainingProgress:
    """Return the progress before the first batch."""
    return TrainingProgress(state, best=copy_tree(task.weights(state)))


def run_epochs(
    task: EpochTask,
    progress: TrainingProgress,
    *,
    epochs: int,
    patience: int,
    on_epoch: OnEpoch,
    on_batch: OnBatch,
    part: str = "",
) -> None:
    """Train from where the progress stands, which is updated in place.

    Ends after `epochs`, or after `patience` epochs without a better monitored value. part: what this training
    is among those of the step, empty if it is the only one.
    """
    report_label(f"{part + ', ' * bool(part)}compiling the network")
    while progress.epoch < epochs and progress.epoch - progress.best_epoch < patience:
        began = time.perf_counter()
        batches = task.batches(progress.epoch)
        meter = Meter(
            epochs * sum(map(task.examples, batches)),
            task.unit,
            label=f"{part + ', ' * bool(part)}epoch {progress.epoch + 1} of {epochs}",
            whole=not part,
        )
        examples = _run_epoch(task, progress, batches, on_batch, meter)
        trained = time.perf_counter() - began
        loss = float(progress.state.sums[0] / progress.state.sums[1])
        metrics = {"epoch": progress.epoch + 1, "loss": loss, **task.evaluate(progress.state)}
        _end_epoch(task, progress, metrics, time.perf_counter() - began)
        on_epoch(metrics, examples / trained)
        on_batch(progress)


def _run_epoch(
    task: EpochTask, progress: TrainingProgress, batches: Sequence[Any], on_batch: OnBatch, meter: Meter
) -> int:
    """Train on the remaining batches of the current epoch; return the number of examples."""
    examples = 0
    before = progress.epoch * sum(map(task.examples, batches))
    before += sum(map(task.examples, batches[: progress.batch]))
    for number in range(progress.batch, len(batches)):
        # JAX works in the background: the next batch is prepared while this one is computed.
        progress.state = task.train_batch(
            progress.state, batches[number], epoch=progress.epoch, number=number
        )
        progress.batch, examples = number + 1, examples + task.examples(batches[number])
        on_batch(progress)
        meter.update(before + examples)
    jax.block_until_ready(progress.state)
    return examples


def _end_epoch(task: EpochTask, progress: TrainingProgress, metrics: Metrics, seconds: float) -> None:
    """Record an epoch, keep its weights if they are the best, and reset the sums of the loss."""
    best = max((task.monitor(earlier) for earlier in progress.rows), default=-np.inf)
    progress.rows.append(metrics)
    progress.seconds.append(seconds)
    progress.epoch, progress.batch = progress.epoch + 1, 0
    if task.monitor(metrics) > best:
        progress.best_epoch = progress.epoch
        # A copy, as training reuses the memory of the state.
        progress.best = copy_tree(task.weights(progress.state))
    progress.state = dataclasses.replace(progress.state, sums=jnp.zeros(2, jnp.float32))


@jax.jit
def copy_tree(tree: Any) -> Any:
    """Return the same arrays in memory of their own."""
    return jax.tree.map(jnp.copy, tree)


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
