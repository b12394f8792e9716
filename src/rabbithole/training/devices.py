"""Windows that an accelerator keeps, and the pass of a network over windows wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import ONE_HOT_SIZE
from rabbithole.training.batching import (
    ITEM,
    RARE_AS_UNSEEN,
    Batch,
    Shape,
    distinct_codes,
    drop_events,
    gather_steps,
    layout_steps,
    make_batch,
    mask_codes,
    pad_batch,
    pad_rows,
    plan_batches,
)
from rabbithole.training.mesh import DeviceMesh, process_count
from rabbithole.training.objective import Objective
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING, RARE, UNSEEN

TRAIN_MEMORY_FRACTION, EVALUATION_MEMORY_FRACTION = 0.5, 0.1
"""Of an accelerator's memory, what windows may take that stay there to be learned from, and such as are
judged or scored beside them, perhaps by several networks at once; the rest is the network's."""


class DeviceWindows:
    """Windows that lie on the accelerator, where batches are gathered: only sessions' numbers are sent.

    The processor gathers 2 million sessions a second, an accelerator trains more than that.
    """

    def __init__(self, windows: Windows, sharing: DeviceMesh) -> None:
        self.sharing = sharing
        self.kept = self.keep(windows.codes, windows.numbers, windows.offsets.astype(np.int32))
        self.steps: dict[int, Array] = {}

    def keep(self, *arrays: NDArray[Any]) -> tuple[Array, ...]:
        """Return arrays that stay on every device; their last entries are repeated up to a round length."""
        kept: tuple[Array, ...] = self.sharing.replicate(
            tuple(jnp.asarray(_rounded(array)) for array in arrays)
        )
        return kept

    def send(self, rows: NDArray[np.int64], shape: Shape) -> tuple[Any, ...]:
        """Return all windows, which are there already, the batch's sessions, and the numbers of its steps."""
        if shape.steps not in self.steps:
            # An array, as its length tells the compiled program how many steps to lay out.
            self.steps[shape.steps] = self.sharing.replicate(jnp.arange(shape.steps, dtype=np.int32))
        places = shape.sessions + -shape.sessions % self.sharing.count
        dealt = self.sharing.shard(pad_rows(rows, places).astype(np.int32))
        return (*self.kept, *dealt, self.steps[shape.steps])


def take_steps(codes: Array, numbers: Array, batch: Batch) -> tuple[Array, Array]:
    """Return the codes and the numbers of a batch, as `gather` does; is compiled."""
    inside = (batch.steps >= 0)[..., None]
    return jnp.where(inside, codes[batch.steps], PADDING), jnp.where(inside, numbers[batch.steps], 0.0)


# A program of its own, so that the network's is the same for windows of any number.
@jax.jit
def _gathered(codes: Array, numbers: Array, offsets: Array, rows: Array, step: Array) -> tuple[Array, Array]:
    return take_steps(codes, numbers, layout_steps(offsets, rows, step))


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last entry until the length is a multiple of about an eighth of it.

    What gathers is compiled for the lengths of arrays: so the parts of a data set share a few programs.
    """
    missing = -len(array) % 2 ** max(0, len(array).bit_length() - 4)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1), mode="edge") if missing else array


def fits_on_device(windows: Windows, share: float) -> bool:
    """Return whether there is an accelerator of whose memory these windows take at most such a share."""
    memory = jax.local_devices()[0].memory_stats() or {}
    room = share * memory.get("bytes_limit", np.inf)
    size = sum(array.nbytes for array in (windows.codes, windows.numbers, windows.offsets))
    return on_accelerator() and size <= room and len(windows.codes) < 2**30


def on_accelerator() -> bool:
    """Return whether JAX computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def predict_logits(
    forward: Callable[..., Array],
    weights: Any,
    table: Array,
    sharing: DeviceMesh,
    windows: Windows,
    shapes: list[Shape],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the sessions of each batch, int64 [n], and their logits, float32 [n, steps, outputs].

    forward: as `make_forward` gives it. While a batch is read, the next one is computed; not where several
    processes share them, as all must exchange what they do in the same order.
    """
    ahead = 1 if process_count() == 1 else 0
    there = DeviceWindows(windows, sharing) if fits_on_device(windows, EVALUATION_MEMORY_FRACTION) else None
    waiting: list[tuple[NDArray[np.int64], Array]] = []
    for shape, rows in plan_batches(windows.lengths, np.arange(len(windows)), shapes):
        if there:
            batch = _gathered(*there.send(rows, shape))
        else:
            batch = sharing.shard(*gather_steps(windows, make_batch(windows, rows, shape)))
        found = forward(weights, table, *batch)
        waiting.append((rows, sharing.replicate(found)))
        if len(waiting) > ahead:
            yield _fetched(*waiting.pop(0))
    for rows, found in waiting:
        yield _fetched(rows, found)


def _fetched(rows: NDArray[np.int64], logits: Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return rows, np.asarray(logits)[: len(rows)]


class Feed(ABC):
    """Gives the steps of a training their sessions, of which it drops and hides these shares."""

    def __init__(
        self, task: Objective, sharing: DeviceMesh, *, items: int, unseen_share: float, event_dropout: float
    ) -> None:
        self.task, self.sharing, self.items = task, sharing, items
        self.unseen_share, self.event_dropout = unseen_share, event_dropout

    @abstractmethod
    def send(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Return what `receive` takes for a batch, and the rows of the item table that it counts from.

        Rows of the table: int32 [n], beyond it where there are fewer; None for the whole table.
        """

    @abstractmethod
    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Return codes, int32 [batch, steps, 7], numbers, float32 [batch, steps, 2], answers; is compiled."""


class FromHost(Feed):
    """Each batch is made by the processor and sent, with the rows of the item table that it needs."""

    def __init__(self, task: Objective, sharing: DeviceMesh, **how: Any) -> None:
        super().__init__(task, sharing, **how)
        self.known = task.known()

    def send(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Return codes, numbers and answers, and the items among them where there are many items."""
        windows = self.task.train
        batch = make_batch(windows, rows, shape)
        if self.event_dropout > 0:
            batch = drop_events(batch, rng.random(batch.steps.shape), self.event_dropout)
        codes, numbers = gather_steps(windows, batch)
        codes = mask_codes(codes, rng, self.unseen_share)
        items = None
        if self.items > ONE_HOT_SIZE:
            items, codes[..., ITEM] = distinct_codes(codes[..., ITEM], self.items)
        answers = self.task.answers(pad_batch(batch, self.sharing.count), *self.known)
        return self.sharing.shard(codes, numbers, *answers), items

    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array, tuple[Array, ...]]:  # noqa: ARG002
        """Return what was sent."""
        codes, numbers, *answers = sent
        return codes, numbers, tuple(answers)


class FromAccelerator(Feed):
    """All is there: windows and what answers are taken from. What a batch needs is made there.

    Nor are the rows of the item table picked: there, to go over the whole table costs less.
    """

    def __init__(self, task: Objective, sharing: DeviceMesh, **how: Any) -> None:
        super().__init__(task, sharing, **how)
        self.source = DeviceWindows(task.train, sharing)
        self.known = self.source.keep(*task.known())

    def send(
        self,
        rows: NDArray[np.int64],
        shape: Shape,
        rng: np.random.Generator,  # noqa: ARG002
    ) -> tuple[tuple[Any, ...], Any]:
        """Return what the source sends, and what is known of all sessions."""
        return (*self.source.send(rows, shape), *self.known), None

    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Lay a batch out, drop a share of its events, gather it and hide a share of its codes."""
        all_codes, all_numbers, offsets, rows, step, *known = sent
        of_events, of_codes = jax.random.split(key)
        batch = layout_steps(offsets, rows, step)
        if self.event_dropout > 0:
            batch = drop_events(batch, jax.random.uniform(of_events, batch.steps.shape), self.event_dropout)
        codes, numbers = take_steps(all_codes, all_numbers, batch)
        if self.unseen_share > 0:
            codes = _hide(codes, of_codes, self.unseen_share)
        return codes, numbers, self.task.answers(batch, *known)


def _hide(codes: Array, key: Array, share: float) -> Array:
    """Return codes of which some are replaced, as `augment.hide` does."""
    of_all, of_rare = jax.random.split(key)
    hidden = jax.random.bernoulli(of_all, share, codes.shape)
    item = codes[..., ITEM]
    rare = (item == RARE) & jax.random.bernoulli(of_rare, RARE_AS_UNSEEN, item.shape)
    hidden = hidden.at[..., ITEM].set(hidden[..., ITEM] | rare)
    return jnp.where(hidden & (codes != PADDING), UNSEEN, codes)


def feed_of(task: Objective, sharing: DeviceMesh, **how: Any) -> Feed:
    """Return the feed that suits the device at hand; how: what `Feed` takes."""
    found = FromAccelerator if fits_on_device(task.train, TRAIN_MEMORY_FRACTION) else FromHost
    return found(task, sharing, **how)
