"""The training of a purchase network: its batches, its steps, its judgement on valid."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from rabbithole.models.layers import ITEM
from rabbithole.models.registry import model_class
from rabbithole.training.batching import Shape, fitting, plan, random
from rabbithole.training.checkpoints import TrainingState, load_weights
from rabbithole.training.devices import feed_of, logits_of
from rabbithole.training.loop import KEYS, Loop, copy_of
from rabbithole.training.mesh import Sharing
from rabbithole.training.objective import Forward, Task
from rabbithole.training.train_step import Learned, begin, make_forward, make_step, optimisers, split
from rabbithole.windows.arrays import Windows


class Trainer(Loop):
    """A network, the sessions that it learns from, and the way that it does.

    The seed and the place (epoch, batch) fix which sessions are taken, which share a batch, what is augmented
    and which units drop.
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
        self.epochs, self.patience = training["epochs"], training["patience"]
        self.unseen_share, self.event_dropout = training["unseen_share"], event_dropout
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
            steps=self.epochs * len(self.batches(0)),
            batch_size=batch_size,
            items=self.items,
        )
        self.network, learned = begin(model, *chain)
        learned = self.sharing.whole(learned)
        self.step = make_step(
            self.network,
            *chain,
            batch_size=batch_size,
            # Not the feed's own method, which would keep its windows when others are learned from.
            receive=lambda key, *sent: self.feed.receive(key, *sent),
            loss=task.loss,
        )
        self.compiled = make_forward(self.network)
        self.state = TrainingState(learned, best=(learned.weights, learned.table))
        self.keep_best()

    def learn_from(self, train: Windows, valid: Windows) -> None:
        """Take these sessions to learn from and to stop by, in the place of the task's."""
        self.task.train, self.task.valid = train, valid
        self.feed = feed_of(
            self.task,
            self.sharing,
            items=self.items,
            unseen_share=self.unseen_share,
            event_dropout=self.event_dropout,
        )

    def batches(self, epoch: int) -> list[tuple[Shape, NDArray[np.int64]]]:
        """Return the batches of an epoch."""
        rows = self.task.rows(seed=self.seed, epoch=epoch)
        return plan(self.task.train.lengths, rows, self.shapes, random(self.seed, epoch))

    def go_on(self, state: TrainingState) -> None:
        """Take up the state of an earlier run of the same training."""
        self.state = dataclasses.replace(
            state, learned=self.sharing.whole(state.learned), best=self.sharing.whole(state.best)
        )

    def learn(self, learned: Learned, batch: tuple[Shape, NDArray[np.int64]], place: int) -> Learned:
        """Return what is learned after a batch."""
        shape, rows = batch
        sent, items = self.feed.send(rows, shape, random(self.seed, self.state.epoch, place))
        after: Learned = self.sharing.whole(self.step(learned, self.key, sent, items))
        return after

    def examples(self, batch: tuple[Shape, NDArray[np.int64]]) -> int:
        """Return the number of sessions."""
        return len(batch[1])

    def judge(self) -> dict[str, float]:
        """Return figures of valid."""
        return self.task.judge(self.forward, self.shapes)

    def merit(self, row: dict[str, Any]) -> float:
        """Return what the task says that the best epoch has most of."""
        return self.task.merit(row)

    def weights(self) -> Any:
        """Return the weights and the item table."""
        learned = self.state.learned
        return learned.weights, learned.table

    def take_best(self) -> None:
        """Go back to the weights of the best epoch, to judge with them."""
        weights, table = copy_of(self.state.best)
        self.state.learned = dataclasses.replace(self.state.learned, weights=weights, table=table)

    def forward(
        self, windows: Windows, shapes: list[Shape]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the logits of windows under the present weights; see `logits_of`."""
        learned = self.state.learned
        return logits_of(self.compiled, learned.weights, learned.table, self.sharing, windows, shapes)


def build(model_class: Any, settings: dict[str, Any], *, seed: int, **shape: Any) -> Any:
    """Return an untrained network. shape: sizes, length, roots and outputs (see `Encoding`)."""
    # Drawn in one compiled program: compiled number by number, this takes longer than an epoch.
    return nnx.jit(_maker(model_class, settings, seed=seed, **shape))()


def outline(model_class: Any, settings: dict[str, Any], **shape: Any) -> Any:
    """Return a network in which shapes and types stand in the place of numbers."""
    return nnx.eval_shape(_maker(model_class, settings, seed=0, **shape))


def load_network(checkpoint: Path, description: dict[str, Any], *, outputs: int) -> Forward:
    """Return a trained network as a function from windows to logits; description: its checkpoint's."""
    network, weights, table = split(
        outline(
            model_class(description["model"]),
            description["settings"],
            sizes=description["sizes"],
            length=description["length"],
            roots=description["roots"],
            outputs=outputs,
        )
    )
    sharing = Sharing()
    weights, table = sharing.whole(load_weights(checkpoint, weights, table))
    return partial(logits_of, make_forward(network), weights, table, sharing)


def _maker(model_class: Any, settings: dict[str, Any], *, seed: int, **shape: Any) -> Callable[[], Any]:
    """Return what makes the network; how it is optimised is none of its own settings."""
    shape |= {key: settings[key] for key in settings if key not in ("learning_rate", "weight_decay")}
    return lambda: model_class(**shape, rngs=nnx.Rngs(jax.random.key(seed, impl=KEYS)))
