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
from rabbithole.training.batching import Shape, choose_batch_size, make_rng, plan_batches
from rabbithole.training.checkpoints import TrainingProgress, load_weights
from rabbithole.training.devices import feed_of, predict_logits
from rabbithole.training.loop import PRNG_IMPL, TrainingLoop, copy_tree
from rabbithole.training.mesh import DeviceMesh
from rabbithole.training.objective import Forward, Objective
from rabbithole.training.train_step import (
    TrainState,
    init_train_state,
    make_forward,
    make_optimisers,
    make_step,
    split,
)
from rabbithole.windows.arrays import Windows


class Trainer(TrainingLoop):
    """A network, the sessions that it learns from, and the way that it does.

    The seed and the place (epoch, batch) fix which sessions are taken, which share a batch, what is augmented
    and which units drop.
    """

    def __init__(
        self,
        model: Any,
        task: Objective,
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
        batch_size, self.shapes = choose_batch_size(
            task.train.lengths,
            task.rows(seed=seed, epoch=0),
            length=length,
            batch_size=training["batch_size"],
            fewest=task.fewest_batches,
        )
        self.sharing = DeviceMesh()
        self.key = self.sharing.replicate(jax.random.key(seed, impl=PRNG_IMPL))
        self.items = model.embedding.sizes[ITEM]
        self.learn_from(task.train, task.valid)
        model.head.init_output_bias(task.initial_logits())
        chain = make_optimisers(
            settings,
            steps=self.epochs * len(self.batches(0)),
            batch_size=batch_size,
            items=self.items,
        )
        self.network, learned = init_train_state(model, *chain)
        learned = self.sharing.replicate(learned)
        self.step = make_step(
            self.network,
            *chain,
            batch_size=batch_size,
            # Not the feed's own method, which would keep its windows when others are learned from.
            receive=lambda key, *sent: self.feed.receive(key, *sent),
            loss=task.loss,
        )
        self.compiled = make_forward(self.network)
        self.state = TrainingProgress(learned, best=(learned.weights, learned.table))
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
        return plan_batches(self.task.train.lengths, rows, self.shapes, make_rng(self.seed, epoch))

    def restore(self, state: TrainingProgress) -> None:
        """Take up the state of an earlier run of the same training."""
        self.state = dataclasses.replace(
            state, learned=self.sharing.replicate(state.learned), best=self.sharing.replicate(state.best)
        )

    def learn(self, learned: TrainState, batch: tuple[Shape, NDArray[np.int64]], place: int) -> TrainState:
        """Return what is learned after a batch."""
        shape, rows = batch
        sent, items = self.feed.send(rows, shape, make_rng(self.seed, self.state.epoch, place))
        after: TrainState = self.sharing.replicate(self.step(learned, self.key, sent, items))
        return after

    def examples(self, batch: tuple[Shape, NDArray[np.int64]]) -> int:
        """Return the number of sessions."""
        return len(batch[1])

    def judge(self) -> dict[str, float]:
        """Return figures of valid."""
        return self.task.judge(self.forward, self.shapes)

    def monitor(self, row: dict[str, Any]) -> float:
        """Return what the task says that the best epoch has most of."""
        return self.task.monitor(row)

    def weights(self) -> Any:
        """Return the weights and the item table."""
        learned = self.state.learned
        return learned.weights, learned.table

    def restore_best(self) -> None:
        """Go back to the weights of the best epoch, to judge with them."""
        weights, table = copy_tree(self.state.best)
        self.state.learned = dataclasses.replace(self.state.learned, weights=weights, table=table)

    def forward(
        self, windows: Windows, shapes: list[Shape]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the logits of windows under the present weights; see `logits_of`."""
        learned = self.state.learned
        return predict_logits(self.compiled, learned.weights, learned.table, self.sharing, windows, shapes)


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
    sharing = DeviceMesh()
    weights, table = sharing.replicate(load_weights(checkpoint, weights, table))
    return partial(predict_logits, make_forward(network), weights, table, sharing)


def _maker(model_class: Any, settings: dict[str, Any], *, seed: int, **shape: Any) -> Callable[[], Any]:
    """Return what makes the network; how it is optimised is none of its own settings."""
    shape |= {key: settings[key] for key in settings if key not in ("learning_rate", "weight_decay")}
    return lambda: model_class(**shape, rngs=nnx.Rngs(jax.random.key(seed, impl=PRNG_IMPL)))
