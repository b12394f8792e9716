"""The training of a purchase network: its batches, its steps, its judgement on valid."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
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
from rabbithole.training.checkpoints import load_weights
from rabbithole.training.devices import feed_of, predict_logits
from rabbithole.training.loop import (
    PRNG_IMPL,
    OnBatch,
    OnEpoch,
    TrainingProgress,
    copy_tree,
    run_epochs,
    start,
)
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


class Trainer:
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
        self.progress = start(self, learned)

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

    def run(
        self,
        on_epoch: OnEpoch = lambda _metrics, _speed: None,
        on_batch: OnBatch = lambda _progress: None,
    ) -> None:
        """Train from where the progress stands."""
        run_epochs(
            self,
            self.progress,
            epochs=self.epochs,
            patience=self.patience,
            on_epoch=on_epoch,
            on_batch=on_batch,
        )

    def restore(self, progress: TrainingProgress) -> None:
        """Continue from the progress of an earlier run of the same training."""
        self.progress = dataclasses.replace(
            progress, state=self.sharing.replicate(progress.state), best=self.sharing.replicate(progress.best)
        )

    def train_batch(
        self, state: TrainState, batch: tuple[Shape, NDArray[np.int64]], *, epoch: int, number: int
    ) -> TrainState:
        """Return the state after one batch."""
        shape, rows = batch
        sent, items = self.feed.send(rows, shape, make_rng(self.seed, epoch, number))
        after: TrainState = self.sharing.replicate(self.step(state, self.key, sent, items))
        return after

    def examples(self, batch: tuple[Shape, NDArray[np.int64]]) -> int:
        """Return the number of sessions."""
        return len(batch[1])

    def evaluate(self, state: TrainState) -> dict[str, float]:
        """Return metrics on the validation split."""
        return self.task.judge(partial(self._forward, state), self.shapes)

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the value that early stopping maximises."""
        return self.task.monitor(metrics)

    def weights(self, state: TrainState) -> Any:
        """Return the weights and the item table."""
        return state.weights, state.table

    def restore_best(self) -> None:
        """Restore the weights of the best epoch."""
        weights, table = copy_tree(self.progress.best)
        self.progress.state = dataclasses.replace(self.progress.state, weights=weights, table=table)

    def forward(
        self, windows: Windows, shapes: list[Shape]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the logits of windows under the current weights; see `predict_logits`."""
        return self._forward(self.progress.state, windows, shapes)

    def _forward(
        self, state: TrainState, windows: Windows, shapes: list[Shape]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        return predict_logits(self.compiled, state.weights, state.table, self.sharing, windows, shapes)


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
