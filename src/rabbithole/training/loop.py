"""The training of a network: epochs, judgement on valid, early stopping, the best weights kept."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.embedding import ITEM
from rabbithole.training.augment import drop_events
from rabbithole.training.batches import Shape, arrange, fitting, plan, random
from rabbithole.training.feed import feed_of
from rabbithole.training.network import begin, make_forward, make_step, optimisers
from rabbithole.training.sharing import Sharing
from rabbithole.training.state import TrainingState
from rabbithole.training.task import Task
from rabbithole.windows.arrays import Windows

KEYS = "rbg"
"""Random bits come from the processor's own generator: threefry takes as long to compute (for dropout) and to
compile (for the first weights) as the network."""

Report = Callable[[dict[str, Any], float], None]

Keep = Callable[[TrainingState], None]
"""What is told of the state after each batch and each epoch, and may save it."""


class Trainer:
    """A network, the sessions that it learns from, and the way that it does.

    The seed and the place (epoch, batch) fix all that is drawn: which sessions are taken, which share a
    batch, what is augmented, which units drop.
    """

    def __init__(
        self,
        model: Any,
        task: Task,
        *,
        length: int,
        settings: dict[str, Any],
        training: dict[str, Any],
        event_dropout: float,
        seed: int,
    ) -> None:
        self.task = task
        self.training, self.event_dropout = training, event_dropout
        self.seed = seed
        batch_size, self.shapes = fitting(
            task.train.lengths,
            task.rows(seed=seed, epoch=0),
            length=length,
            batch_size=training["batch_size"],
            fewest=task.fewest_batches,
        )
        self.sharing = Sharing()
        self.key = self.sharing.whole(jax.random.key(seed, impl=KEYS))
        self.items = model.embedding.sizes[ITEM]
        self.learn_from(task.train, task.valid)
        model.head.set_prior(task.first_guess())
        chain = optimisers(
            settings,
            steps=training["epochs"] * len(self.batches(0)),
            batch_size=batch_size,
            items=self.items,
        )
        self.network, learned = begin(model, *chain)
        learned = self.sharing.whole(learned)
        self.step = make_step(
            self.network,
            *chain,
            batch_size=batch_size,
            receive=self.feed.receive,
            loss=task.loss,
        )
        self.compiled = make_forward(self.network)
        self.state = TrainingState(learned, best=(learned.weights, learned.table))
        self.keep()

    def learn_from(self, train: Windows, valid: Windows) -> None:
        """Take these sessions to learn from and to stop by, in the place of the task's."""
        self.task.train, self.task.valid = train, valid
        unseen_share = self.training["unseen_share"]
        self.feed = feed_of(train, self.sharing, items=self.items, unseen_share=unseen_share)

    def batches(self, epoch: int) -> list[tuple[Shape, NDArray[np.int64]]]:
        """Return the batches of an epoch."""
        rows = self.task.rows(seed=self.seed, epoch=epoch)
        return plan(self.task.train.lengths, rows, self.shapes, random(self.seed, epoch))

    def go_on(self, state: TrainingState) -> None:
        """Take up the state of an earlier run of the same training."""
        self.state = dataclasses.replace(
            state, learned=self.sharing.whole(state.learned), best=self.sharing.whole(state.best)
        )

    def run(self, report: Report, keep: Keep) -> None:
        """Train until `epochs` are done or `patience` of them brought nothing better on valid.

        `report` is told of each epoch: its row and the sessions a second.
        """
        state, patience = self.state, self.training["patience"]
        while state.epoch < self.training["epochs"] and state.epoch - state.best_epoch < patience:
            began = time.perf_counter()
            sessions = self.one_epoch(keep)
            trained = time.perf_counter() - began
            loss = float(state.learned.sums[0] / state.learned.sums[1])
            valid = self.task.judge(self.forward, self.shapes)
            row = {"epoch": state.epoch + 1, "loss": loss, **valid}
            self.end_epoch(row, time.perf_counter() - began)
            report(row, sessions / trained)
            keep(state)

    def one_epoch(self, keep: Keep) -> int:
        """Go once through train, from where the state stands; return the number of sessions."""
        state, sessions = self.state, 0
        batches = self.batches(state.epoch)
        for place in range(state.place, len(batches)):
            shape, rows = batches[place]
            rng = random(self.seed, state.epoch, place)
            batch = drop_events(arrange(self.task.train, rows, shape), rng, self.event_dropout)
            sent, items = self.feed.send(batch, rng)
            answers = self.sharing.deal(*self.task.answers(batch))
            state.learned = self.sharing.whole(self.step(state.learned, self.key, sent, answers, items))
            state.place, sessions = place + 1, sessions + len(rows)
            keep(state)
        jax.block_until_ready(state.learned)
        return sessions

    def end_epoch(self, row: dict[str, Any], seconds: float) -> None:
        """Note an epoch's figures, keep its weights if they are the best, make ready for the next."""
        state = self.state
        best = max((self.task.merit(earlier) for earlier in state.rows), default=-np.inf)
        state.rows.append(row)
        state.seconds.append(seconds)
        state.epoch, state.place = state.epoch + 1, 0
        if self.task.merit(row) > best:
            state.best_epoch = state.epoch
            self.keep()
        state.learned = dataclasses.replace(state.learned, sums=jnp.zeros(2, jnp.float32))

    def keep(self) -> None:
        """Copy the weights aside: the step takes over the memory of its own."""
        learned = self.state.learned
        self.state.best = _copy_of((learned.weights, learned.table))

    def take_best(self) -> None:
        """Go back to the weights of the best epoch, to judge with them."""
        weights, table = _copy_of(self.state.best)
        self.state.learned = dataclasses.replace(self.state.learned, weights=weights, table=table)

    def forward(self, codes: NDArray[np.int32], numbers: NDArray[np.float32]) -> Array:
        """Return the logits of a batch under the present weights."""
        learned = self.state.learned
        dealt = self.sharing.deal(codes, numbers)
        return self.sharing.whole(self.compiled(learned.weights, learned.table, *dealt))


@jax.jit
def _copy_of(tree: Any) -> Any:
    """Return the same arrays in memory of their own."""
    return jax.tree.map(jnp.copy, tree)


def build(model_class: Any, settings: dict[str, Any], *, seed: int, **shape: Any) -> Any:
    """Return an untrained network. shape: sizes, length, roots and outputs (see `Encoding`)."""
    # Drawn in one compiled program: compiled number by number, this takes longer than an epoch.
    return nnx.jit(_maker(model_class, settings, seed=seed, **shape))()


def outline(model_class: Any, settings: dict[str, Any], **shape: Any) -> Any:
    """Return a network in which shapes and types stand in the place of numbers."""
    return nnx.eval_shape(_maker(model_class, settings, seed=0, **shape))


def _maker(model_class: Any, settings: dict[str, Any], *, seed: int, **shape: Any) -> Callable[[], Any]:
    """Return what makes the network; how it is optimised is none of its own settings."""
    shape |= {key: settings[key] for key in settings if key not in ("learning_rate", "weight_decay")}
    return lambda: model_class(**shape, rngs=nnx.Rngs(jax.random.key(seed, impl=KEYS)))
