"""Training batches: built on the host, or gathered on an accelerator that holds the windows."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import ONE_HOT_SIZE
from rabbithole.training.batching import (
    Batch,
    Shape,
    distinct_codes,
    drop_events,
    drop_histories,
    first_own_steps,
    gather_steps,
    layout_steps,
    make_batch,
    mask_codes,
    mask_codes_on_device,
    pad_batch,
    pad_rows,
    plan_batches,
    rare_columns,
)
from rabbithole.training.loop import DeviceMesh, process_count
from rabbithole.training.train_step import Objective
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING

TRAIN_MEMORY_FRACTION = 0.5
"""Fraction of an accelerator's memory that train's windows may take; the rest is the network's."""

EVALUATION_MEMORY_FRACTION = 0.1
"""The same for windows that are evaluated or scored: train's windows may be on the device too."""


def on_accelerator() -> bool:
    """Return whether JAX computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def fits_on_device(windows: Windows, fraction: float) -> bool:
    """Return whether there is an accelerator and the windows take at most a fraction of its memory."""
    memory = jax.local_devices()[0].memory_stats() or {}
    limit = fraction * memory.get("bytes_limit", np.inf)
    size = sum(array.nbytes for array in (windows.codes, windows.numbers, windows.offsets))
    return on_accelerator() and size <= limit and len(windows.codes) < 2**30


class DeviceWindows:
    """Windows on the accelerator, which gathers the batches: only the sessions' indices are sent to it.

    The processor gathers 2 million sessions per second, and an accelerator trains on more than that.
    """

    def __init__(self, windows: Windows, mesh: DeviceMesh) -> None:
        self.mesh = mesh
        self.arrays = self.put(windows.codes, windows.numbers, windows.offsets.astype(np.int32))
        self.steps: dict[int, Array] = {}

    def put(self, *arrays: NDArray[Any]) -> tuple[Array, ...]:
        """Copy arrays to every device; their last entries are repeated up to a round length."""
        copies: tuple[Array, ...] = self.mesh.replicate(
            tuple(jnp.asarray(_round_length(array)) for array in arrays)
        )
        return copies

    def batch_arguments(self, rows: NDArray[np.int64], shape: Shape) -> tuple[Any, ...]:
        """Return all windows' arrays, a batch's sessions, and the numbers of its steps."""
        if shape.steps not in self.steps:
            # An array: its length gives the compiled program the number of steps.
            self.steps[shape.steps] = self.mesh.replicate(jnp.arange(shape.steps, dtype=np.int32))
        places = shape.sessions + -shape.sessions % self.mesh.count
        sharded = self.mesh.shard(pad_rows(rows, places).astype(np.int32))
        return (*self.arrays, *sharded, self.steps[shape.steps])


def _round_length(array: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last entry until the length is a multiple of about an eighth of it.

    Programs are compiled for the lengths of their arrays: so the parts of a data set share a few programs.
    """
    missing = -len(array) % 2 ** max(0, len(array).bit_length() - 4)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1), mode="edge") if missing else array


def gather_on_device(codes: Array, numbers: Array, batch: Batch) -> tuple[Array, Array]:
    """Return a batch's codes and numbers, as `gather_steps` does, inside a compiled program."""
    inside = (batch.steps >= 0)[..., None]
    return jnp.where(inside, codes[batch.steps], PADDING), jnp.where(inside, numbers[batch.steps], 0.0)


# Compiled apart from the network, whose program is then the same for any number of windows.
@jax.jit
def _make_device_batch(
    codes: Array, numbers: Array, offsets: Array, rows: Array, step: Array
) -> tuple[Array, Array]:
    return gather_on_device(codes, numbers, layout_steps(offsets, rows, step))


def predict_logits(
    forward: Callable[..., Array],
    weights: Any,
    table: Array,
    mesh: DeviceMesh,
    windows: Windows,
    shapes: list[Shape],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield each batch's sessions, int64 [n], and their logits, float32 [n, steps, outputs].

    forward: the compiled `Network.forward`. While the caller works on a batch, the next one is computed. Not
    so with several processes: all must exchange their results in the same order.
    """
    ahead = 1 if process_count() == 1 else 0
    on_device = DeviceWindows(windows, mesh) if fits_on_device(windows, EVALUATION_MEMORY_FRACTION) else None
    pending: list[tuple[NDArray[np.int64], Array]] = []
    for shape, rows in plan_batches(windows.lengths, np.arange(len(windows)), shapes):
        if on_device:
            batch = _make_device_batch(*on_device.batch_arguments(rows, shape))
        else:
            batch = mesh.shard(*gather_steps(windows, make_batch(windows, rows, shape)))
        pending.append((rows, mesh.replicate(forward(weights, table, *batch))))
        if len(pending) > ahead:
            yield _fetch(*pending.pop(0))
    for rows, logits in pending:
        yield _fetch(rows, logits)


def _fetch(rows: NDArray[np.int64], logits: Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Wait for a batch's logits; leave out those of empty places."""
    return rows, np.asarray(logits)[: len(rows)]


class BatchSource(Protocol):
    """Builds training batches in two steps: one on the host, one inside the compiled train step."""

    def prepare_batch(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Build one training batch on the host.

        Returns the arrays for `materialise` and the item codes that occur in the batch, int32 [n] (None: use
        the whole embedding table).
        """

    def materialise(self, key: Array, *arrays: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Return codes, int32 [batch, steps, categorical], numbers, float32 [batch, steps, numeric], targets.

        Runs inside the compiled train step. arrays: those of `prepare_batch`.
        """


class HostBatches:
    """The processor builds each batch and sends it, with the rows of the item table that it needs."""

    def __init__(
        self,
        objective: Objective,
        mesh: DeviceMesh,
        *,
        item_count: int,
        unseen_share: float,
        event_dropout: float,
    ) -> None:
        self.objective, self.mesh, self.item_count = objective, mesh, item_count
        self.unseen_share, self.event_dropout = unseen_share, event_dropout
        self.target_arrays = objective.target_arrays()
        fields = objective.train.fields
        self.rare, self.item = rare_columns(fields), fields.code_column("item")
        self.own = first_own_steps(objective.train) if objective.train.history.any() else None

    def prepare_batch(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Return codes, numbers and targets; where there are many items, also those in the batch."""
        windows = self.objective.train
        batch = make_batch(windows, rows, shape)
        if self.own is not None:
            batch = drop_histories(batch, rng.random(len(batch.rows)), self.own)
        if self.event_dropout > 0:
            batch = drop_events(batch, rng.random(batch.steps.shape), self.event_dropout)
        codes, numbers = gather_steps(windows, batch)
        codes = mask_codes(codes, rng, self.unseen_share, self.rare)
        items = None
        if self.item is not None and self.item_count > ONE_HOT_SIZE:
            items, codes[..., self.item] = distinct_codes(codes[..., self.item], self.item_count)
        targets = self.objective.batch_targets(pad_batch(batch, self.mesh.count), *self.target_arrays)
        return self.mesh.shard(codes, numbers, *targets), items

    def materialise(self, key: Array, *arrays: Array) -> tuple[Array, Array, tuple[Array, ...]]:  # noqa: ARG002
        """Return the arrays as they are."""
        codes, numbers, *targets = arrays
        return codes, numbers, tuple(targets)


class DeviceBatches:
    """The accelerator holds the windows and the target arrays, and builds each batch itself.

    It always uses the whole item table, which costs less there than picking rows.
    """

    def __init__(
        self, objective: Objective, mesh: DeviceMesh, *, unseen_share: float, event_dropout: float
    ) -> None:
        self.objective = objective
        self.unseen_share, self.event_dropout = unseen_share, event_dropout
        self.windows = DeviceWindows(objective.train, mesh)
        self.rare = rare_columns(objective.train.fields)
        self.target_arrays = self.windows.put(*objective.target_arrays())
        has_history = objective.train.history.any()
        self.own = self.windows.put(first_own_steps(objective.train)) if has_history else ()

    def prepare_batch(
        self,
        rows: NDArray[np.int64],
        shape: Shape,
        rng: np.random.Generator,  # noqa: ARG002 - the accelerator draws its own random numbers
    ) -> tuple[tuple[Any, ...], Any]:
        """Return the batch's arguments and the target arrays, which are on the accelerator already."""
        return (*self.windows.batch_arguments(rows, shape), *self.own, *self.target_arrays), None

    def materialise(self, key: Array, *arrays: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Lay the batch out, drop events, gather the steps and mask codes."""
        all_codes, all_numbers, offsets, rows, step, *others = arrays
        own, target_arrays = others[: len(self.own)], others[len(self.own) :]
        event_key, code_key = jax.random.split(key)
        batch = layout_steps(offsets, rows, step)
        if own:
            # Another key than the others', which stay what they are without history.
            history_key = jax.random.fold_in(event_key, 1)
            batch = drop_histories(batch, jax.random.uniform(history_key, batch.rows.shape), own[0])
        if self.event_dropout > 0:
            batch = drop_events(batch, jax.random.uniform(event_key, batch.steps.shape), self.event_dropout)
        codes, numbers = gather_on_device(all_codes, all_numbers, batch)
        if self.unseen_share > 0:
            codes = mask_codes_on_device(codes, code_key, self.unseen_share, self.rare)
        return codes, numbers, self.objective.batch_targets(batch, *target_arrays)


def make_batch_source(
    objective: Objective, mesh: DeviceMesh, *, item_count: int, unseen_share: float, event_dropout: float
) -> BatchSource:
    """Return the source that suits the device and the size of train."""
    if fits_on_device(objective.train, TRAIN_MEMORY_FRACTION):
        return DeviceBatches(objective, mesh, unseen_share=unseen_share, event_dropout=event_dropout)
    return HostBatches(
        objective, mesh, item_count=item_count, unseen_share=unseen_share, event_dropout=event_dropout
    )
