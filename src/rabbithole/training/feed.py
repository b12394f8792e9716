"""What a step of a training is given: sessions of train, some of it dropped or hidden, and the answers."""

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.embedding import SMALL
from rabbithole.training.augment import ITEM, RARE_AS_UNSEEN, drop_events, hide
from rabbithole.training.batches import Shape, arrange, distinct, gather, lay_out, padded
from rabbithole.training.sharing import Sharing
from rabbithole.training.source import LEARNED_FROM, OnAccelerator, kept_there, take_steps
from rabbithole.training.task import Task
from rabbithole.windows.fields import PADDING, RARE, UNSEEN


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
