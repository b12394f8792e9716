"""Training batches, built on the host or gathered on an accelerator."""

from typing import Any, Protocol

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import ONE_HOT_SIZE
from rabbithole.training.augmentation import ITEM, drop_events, mask_codes, mask_codes_on_device
from rabbithole.training.batching import (
    Shape,
    distinct_codes,
    gather_steps,
    layout_steps,
    make_batch,
    pad_batch,
)
from rabbithole.training.devices import (
    TRAIN_MEMORY_FRACTION,
    DeviceWindows,
    fits_on_device,
    gather_on_device,
)
from rabbithole.training.mesh import DeviceMesh
from rabbithole.training.objective import Objective


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
        """Return codes, int32 [batch, steps, 7], numbers, float32 [batch, steps, 2], and targets.

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

    def prepare_batch(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Return codes, numbers and targets; where there are many items, also those in the batch."""
        windows = self.objective.train
        batch = make_batch(windows, rows, shape)
        if self.event_dropout > 0:
            batch = drop_events(batch, rng.random(batch.steps.shape), self.event_dropout)
        codes, numbers = gather_steps(windows, batch)
        codes = mask_codes(codes, rng, self.unseen_share)
        items = None
        if self.item_count > ONE_HOT_SIZE:
            items, codes[..., ITEM] = distinct_codes(codes[..., ITEM], self.item_count)
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
        self.target_arrays = self.windows.put(*objective.target_arrays())

    def prepare_batch(
        self,
        rows: NDArray[np.int64],
        shape: Shape,
        rng: np.random.Generator,  # noqa: ARG002 - the accelerator draws its own random numbers
    ) -> tuple[tuple[Any, ...], Any]:
        """Return the batch's arguments and the target arrays, which are on the accelerator already."""
        return (*self.windows.batch_arguments(rows, shape), *self.target_arrays), None

    def materialise(self, key: Array, *arrays: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Lay the batch out, drop events, gather the steps and mask codes."""
        all_codes, all_numbers, offsets, rows, step, *target_arrays = arrays
        event_key, code_key = jax.random.split(key)
        batch = layout_steps(offsets, rows, step)
        if self.event_dropout > 0:
            batch = drop_events(batch, jax.random.uniform(event_key, batch.steps.shape), self.event_dropout)
        codes, numbers = gather_on_device(all_codes, all_numbers, batch)
        if self.unseen_share > 0:
            codes = mask_codes_on_device(codes, code_key, self.unseen_share)
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
