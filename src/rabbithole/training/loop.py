"""The loop of every training: epochs, judgement, early stopping, the best weights and the state kept."""

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rabbithole.training.checkpoints import TrainingProgress

PRNG_IMPL = "rbg"
"""Random bits come from the processor's own generator: threefry takes as long to compute (for dropout) and to
compile (for the first weights) as the network."""

Report = Callable[[dict[str, Any], float], None]

Keep = Callable[[TrainingProgress], None]
"""What is told of the state after each batch and each epoch, and may save it."""


class TrainingLoop(ABC):
    """A network that learns batch by batch, `epochs` times over or until `patience` of them brought nothing.

    state: what it has come to; its `learned` has `sums`, float32 [2], over the epoch so far, whose ratio is
    the loss to tell. The seed and the place (epoch, batch) fix all that is drawn.
    """

    state: TrainingProgress
    epochs: int
    patience: int

    @abstractmethod
    def batches(self, epoch: int) -> Sequence[Any]:
        """Return the batches of an epoch, in order."""

    @abstractmethod
    def learn(self, learned: Any, batch: Any, place: int) -> Any:
        """Return what is learned after a batch; takes over the memory of `learned`."""

    @abstractmethod
    def examples(self, batch: Any) -> int:
        """Return how much there is in a batch, in what speed is told in."""

    @abstractmethod
    def judge(self) -> dict[str, float]:
        """Return figures of what was not learned from."""

    @abstractmethod
    def monitor(self, row: dict[str, Any]) -> float:
        """Return what the best epoch has most of."""

    @abstractmethod
    def weights(self) -> Any:
        """Return what is kept of the best epoch."""

    def run(self, report: Report, keep: Keep) -> None:
        """Train from where the state stands.

        `report` is told of each epoch: its row (`epoch`, `loss`, and what `judge` gives) and the examples a
        second.
        """
        state = self.state
        while state.epoch < self.epochs and state.epoch - state.best_epoch < self.patience:
            began = time.perf_counter()
            examples = self.one_epoch(keep)
            trained = time.perf_counter() - began
            loss = float(state.learned.sums[0] / state.learned.sums[1])
            row = {"epoch": state.epoch + 1, "loss": loss, **self.judge()}
            self.end_epoch(row, time.perf_counter() - began)
            report(row, examples / trained)
            keep(state)

    def one_epoch(self, keep: Keep) -> int:
        """Go through the batches that are left of an epoch; return the number of examples."""
        state, examples = self.state, 0
        batches = self.batches(state.epoch)
        for place in range(state.place, len(batches)):
            # Does not wait for JAX: the next batch is made ready while this one is computed.
            state.learned = self.learn(state.learned, batches[place], place)
            state.place, examples = place + 1, examples + self.examples(batches[place])
            keep(state)
        jax.block_until_ready(state.learned)
        return examples

    def end_epoch(self, row: dict[str, Any], seconds: float) -> None:
        """Note an epoch's figures, keep its weights if they are the best, make ready for the next."""
        state = self.state
        best = max((self.monitor(earlier) for earlier in state.rows), default=-np.inf)
        state.rows.append(row)
        state.seconds.append(seconds)
        state.epoch, state.place = state.epoch + 1, 0
        if self.monitor(row) > best:
            state.best_epoch = state.epoch
            self.keep_best()
        state.learned = dataclasses.replace(state.learned, sums=jnp.zeros(2, jnp.float32))

    def keep_best(self) -> None:
        """Copy the weights aside: learning takes over the memory of its own."""
        self.state.best = copy_tree(self.weights())


@jax.jit
def copy_tree(tree: Any) -> Any:
    """Return the same arrays in memory of their own."""
    return jax.tree.map(jnp.copy, tree)
