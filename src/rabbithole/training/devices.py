"""Windows that an accelerator keeps, and the pass of a network over windows wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import SMALL
from rabbithole.training.batching import (
    ITEM,
    RARE_AS_UNSEEN,
    Batch,
    Shape,
    arrange,
    distinct,
    drop_events,
    gather,
    hide,
    lay_out,
    padded,
    placed,
    plan,
)
from rabbithole.training.mesh import Sharing, tasks
from rabbithole.training.objective import Task
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING, RARE, UNSEEN

LEARNED_FROM, READ = 0.5, 0.1
"""Of an accelerator's memory, what windows may take that stay there to be learned from, and such as are
judged or scored beside them, perhaps by several networks at once; the rest is the network's."""


class OnAccelerator:
    """Windows that lie on the accelerator, where batches are gathered: only sessions' numbers are sent.

    The processor gathers 2 million sessions a second, an accelerator trains more than that.
    """

    def __init__(self, windows: Windows, sharing: Sharing) -> None:
        self.sharing = sharing
        self.kept = self.keep(windows.codes, windows.numbers, windows.offsets.astype(np.int32))
        self.steps: dict[int, Array] = {}

    def keep(self, *arrays: NDArray[Any]) -> tuple[Array, ...]:
        """Return arrays that stay on every device; their last entries are repeated up to a round length."""
        kept: tuple[Array, ...] = self.sharing.whole(tuple(jnp.asarray(_rounded(array)) for array in arrays))
        return kept

    def send(self, rows: NDArray[np.int64], shape: Shape) -> tuple[Any, ...]:
        """Return all windows, which are there already, the batch's sessions, and the numbers of its steps."""
        if shape.steps not in self.steps:
            # An array, as its length tells the compiled program how many steps to lay out.
            self.steps[shape.steps] = self.sharing.whole(jnp.arange(shape.steps, dtype=np.int32))
        places = shape.sessions + -shape.sessions % self.sharing.count
        dealt = self.sharing.deal(placed(rows, places).astype(np.int32))
        return (*self.kept, *dealt, self.steps[shape.steps])


def take_steps(codes: Array, numbers: Array, batch: Batch) -> tuple[Array, Array]:
    """Return the codes and the numbers of a batch, as `gather` does; is compiled."""
    inside = (batch.steps >= 0)[..., None]
    return jnp.where(inside, codes[batch.steps], PADDING), jnp.where(inside, numbers[batch.steps], 0.0)


# A program of its own, so that the network's is the same for windows of any number.
@jax.jit
def _gathered(codes: Array, numbers: Array, offsets: Array, rows: Array, step: Array) -> tuple[Array, Array]:
    return take_steps(codes, numbers, lay_out(offsets, rows, step))


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last entry until the length is a multiple of about an eighth of it.

    What gathers is compiled for the lengths of arrays: so the parts of a data set share a few programs.
    """
    missing = -len(array) % 2 ** max(0, len(array).bit_length() - 4)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1), mode="edge") if missing else array


def kept_there(windows: Windows, share: float) -> bool:
    """Return whether there is an accelerator of whose memory these windows take at most such a share."""
    memory = jax.local_devices()[0].memory_stats() or {}
    room = share * memory.get("bytes_limit", np.inf)
    size = sum(array.nbytes for array in (windows.codes, windows.numbers, windows.offsets))
    return accelerated() and size <= room and len(windows.codes) < 2**30


def accelerated() -> bool:
    """Return whether JAX computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def logits_of(
    forward: Callable[..., Array],
    weights: Any,
    table: Array,
    sharing: Sharing,
    windows: Windows,
    shapes: list[Shape],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the sessions of each batch, int64 [n], and their logits, float32 [n, steps, outputs].

    forward: as `make_forward` gives it. While a batch is read, the next one is computed; not where several
    processes share them, as all must exchange what they do in the same order.
    """
    ahead = 1 if tasks() == 1 else 0
    there = OnAccelerator(windows, sharing) if kept_there(windows, READ) else None
    waiting: list[tuple[NDArray[np.int64], Array]] = []
    for shape, rows in plan(windows.lengths, np.arange(len(windows)), shapes):
        if there:
            batch = _gathered(*there.send(rows, shape))
        else:
            batch = sharing.deal(*gather(windows, arrange(windows, rows, shape)))
        found = forward(weights, table, *batch)
        waiting.append((rows, sharing.whole(found)))
        if len(waiting) > ahead:
            yield _fetched(*waiting.pop(0))
    for rows, found in waiting:
        yield _fetched(rows, found)


def _fetched(rows: NDArray[np.int64], logits: Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return rows, np.asarray(logits)[: len(rows)]


class Feed(ABC):
    """Gives the steps of a training their sessions, of which it drops and hides these shares."""

    def __init__(
        self, task: Task, sharing: Sharing, *, items: int, unseen_share: float, event_dropout: float
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

    def __init__(self, task: Task, sharing: Sharing, **how: Any) -> None:
        super().__init__(task, sharing, **how)
        self.known = task.known()

    def send(
        self, rows: NDArray[np.int64], shape: Shape, rng: np.random.Generator
    ) -> tuple[tuple[Any, ...], Any]:
        """Return codes, numbers and answers, and the items among them where there are many items."""
        windows = self.task.train
        batch = arrange(windows, rows, shape)
        if self.event_dropout > 0:
            batch = drop_events(batch, rng.random(batch.steps.shape), self.event_dropout)
        codes, numbers = gather(windows, batch)
        codes = hide(codes, rng, self.unseen_share)
        items = None
        if self.items > SMALL:
            items, codes[..., ITEM] = distinct(codes[..., ITEM], self.items)
        answers = self.task.answers(padded(batch, self.sharing.count), *self.known)
        return self.sharing.deal(codes, numbers, *answers), items

    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array, tuple[Array, ...]]:  # noqa: ARG002
        """Return what was sent."""
        codes, numbers, *answers = sent
        return codes, numbers, tuple(answers)


class FromAccelerator(Feed):
    """All is there: windows and what answers are taken from. What a batch needs is made there.

    Nor are the rows of the item table picked: there, to go over the whole table costs less.
    """

    def __init__(self, task: Task, sharing: Sharing, **how: Any) -> None:
        super().__init__(task, sharing, **how)
        self.source = OnAccelerator(task.train, sharing)
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
        batch = lay_out(offsets, rows, step)
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


def feed_of(task: Task, sharing: Sharing, **how: Any) -> Feed:
    """Return the feed that suits the device at hand; how: what `Feed` takes."""
    found = FromAccelerator if kept_there(task.train, LEARNED_FROM) else FromHost
    return found(task, sharing, **how)
