"""Where a step's sessions come from: gathered by the processor, or on the accelerator that keeps them all."""

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.training.augment import ITEM, RARE_AS_UNSEEN, hide
from rabbithole.training.batches import Batch, distinct, gather, padded
from rabbithole.training.sharing import Sharing
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING, RARE, UNSEEN

SHARE_OF_MEMORY = 0.5
"""Of an accelerator's memory, what windows may take at most; the rest is the network's."""


class Feed(ABC):
    """Gives the steps of a training their sessions, a share of whose codes is hidden."""

    @abstractmethod
    def send(self, batch: Batch, rng: np.random.Generator) -> tuple[tuple[Any, ...], Any]:
        """Return what `receive` takes for a batch, and the rows of the item table that it counts from.

        Rows: int32 [n], beyond the table where there are fewer; None for the whole table.
        """

    @abstractmethod
    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array]:
        """Return codes, int32 [batch, steps, 7], and numbers, float32 [batch, steps, 2]; is compiled."""


class FromHost(Feed):
    """Each batch is gathered by the processor and sent, with the rows of the item table that it needs."""

    def __init__(self, windows: Windows, sharing: Sharing, *, items: int, unseen_share: float) -> None:
        self.windows, self.sharing = windows, sharing
        self.items, self.unseen_share = items, unseen_share

    def send(self, batch: Batch, rng: np.random.Generator) -> tuple[tuple[Any, ...], Any]:
        """Return codes and numbers, and the items among them."""
        codes, numbers = gather(self.windows, batch)
        codes = hide(codes, rng, self.unseen_share)
        rows, codes[..., ITEM] = distinct(codes[..., ITEM], self.items)
        return self.sharing.deal(codes, numbers), rows

    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array]:  # noqa: ARG002 - hidden already
        """Return what was sent."""
        codes, numbers = sent
        return codes, numbers


class OnAccelerator(Feed):
    """All windows lie on the accelerator, where a batch is gathered: nothing but step numbers is sent.

    The processor gathers 2 million sessions a second, an accelerator trains more than that. Nor does it pick
    the rows of the item table: there, to go over the whole table costs less.
    """

    def __init__(self, windows: Windows, sharing: Sharing, *, unseen_share: float) -> None:
        self.sharing, self.unseen_share = sharing, unseen_share
        self.all = sharing.whole((jnp.asarray(windows.codes), jnp.asarray(windows.numbers)))

    def send(self, batch: Batch, rng: np.random.Generator) -> tuple[tuple[Any, ...], Any]:  # noqa: ARG002
        """Return all windows, that are there already, and the numbers of the batch's steps."""
        steps = padded(batch, self.sharing.count).steps.astype(np.int32)
        return (*self.all, *self.sharing.deal(steps)), None

    def receive(self, key: Array, *sent: Array) -> tuple[Array, Array]:
        """Gather a batch and hide a share of its codes."""
        all_codes, all_numbers, steps = sent
        inside = (steps >= 0)[..., None]
        codes = jnp.where(inside, all_codes[steps], PADDING)
        numbers = jnp.where(inside, all_numbers[steps], 0.0)
        return (_hide(codes, key, self.unseen_share) if self.unseen_share > 0 else codes), numbers


def _hide(codes: Array, key: Array, share: float) -> Array:
    """Return codes of which some are replaced, as `augment.hide` does."""
    of_all, of_rare = jax.random.split(key)
    hidden = jax.random.bernoulli(of_all, share, codes.shape)
    item = codes[..., ITEM]
    rare = (item == RARE) & jax.random.bernoulli(of_rare, RARE_AS_UNSEEN, item.shape)
    hidden = hidden.at[..., ITEM].set(hidden[..., ITEM] | rare)
    return jnp.where(hidden & (codes != PADDING), UNSEEN, codes)


def feed_of(windows: Windows, sharing: Sharing, *, items: int, unseen_share: float) -> Feed:
    """Return the feed that suits the device at hand; items: rows of the item table."""
    if accelerated() and _fits(windows.codes, windows.numbers):
        return OnAccelerator(windows, sharing, unseen_share=unseen_share)
    return FromHost(windows, sharing, items=items, unseen_share=unseen_share)


def accelerated() -> bool:
    """Return whether JAX computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def _fits(*arrays: NDArray[Any]) -> bool:
    memory = jax.devices()[0].memory_stats() or {}
    return sum(array.nbytes for array in arrays) <= SHARE_OF_MEMORY * memory.get("bytes_limit", np.inf)
