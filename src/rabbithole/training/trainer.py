"""The trainer of a network: its batches, its steps, and its evaluation on valid."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import NetworkShape, check_network
from rabbithole.models.registry import ModelCode, checkpoint_code, model_code
from rabbithole.models.settings import NetworkSettings
from rabbithole.specs.base import JsonObject
from rabbithole.specs.training import NetworkTraining
from rabbithole.training.batch_source import BatchSource, make_batch_source, predict_logits
from rabbithole.training.batching import Shape, choose_batch_size, make_rng, plan_batches
from rabbithole.training.checkpoints import load_weights, read_description
from rabbithole.training.loop import (
    PRNG_IMPL,
    DeviceMesh,
    OnBatch,
    OnEpoch,
    TrainingProgress,
    copy_tree,
    run_epochs,
    start,
)
from rabbithole.training.train_step import (
    Forward,
    Network,
    Objective,
    TrainState,
    init_train_state,
    make_optimisers,
    make_train_step,
    split_network,
)
from rabbithole.windows.arrays import Encoding, Windows


class Trainer:
    """A network, the sessions that it is trained on, and how; `make_trainer` sets it up.

    Seed, epoch and batch fix the sessions of a batch, their augmentation, and dropout. parts: the number of
    epochs that pass over train once.
    """

    unit = "sessions"

    def __init__(
        self,
        model: Any,
        settings: NetworkSettings,
        training: NetworkTraining,
        objective: Objective,
        *,
        length: int,
        event_dropout: float,
        seed: int,
    ) -> None:
        self.training, self.objective = training, objective
        self.event_dropout, self.seed = event_dropout, seed
        batch_size, self.shapes = choose_batch_size(
            objective.train.lengths,
            objective.rows(seed=seed, epoch=0),
            length=length,
            batch_size=training.batch_size,
            min_batches=objective.min_batches,
        )
        self.mesh = DeviceMesh()
        self.key = self.mesh.replicate(jax.random.key(seed, impl=PRNG_IMPL))
        self.item_count = model.embedding.item_count
        self.source: BatchSource
        self.set_data(objective.train, objective.valid)
        sessions = len(objective.rows(seed=seed, epoch=0))
        self.parts = -(-sessions // training.epoch_sessions)
        model.head.init_output_bias(objective.initial_logits())
        optimisers = make_optimisers(
            settings,
            steps=training.epochs * len(self.batches(0)),
            batch_size=batch_size,
            item_count=self.item_count,
        )
        self.network, state = init_train_state(model, *optimisers)
        self.train_step = make_train_step(
            self.network,
            *optimisers,
            batch_size=batch_size,
            # Looked up at every call: the source changes with the data.
            materialise=lambda key, *arrays: self.source.materialise(key, *arrays),
            loss=objective.loss,
        )
        self.compiled_forward = jax.jit(self.network.forward)
        self.progress = start(self, self.mesh.replicate(state))

    def set_data(self, train: Windows, valid: Windows) -> None:
        """Replace the sessions to train on and those for early stopping."""
        self.objective.train, self.objective.valid = train, valid
        self.source = make_batch_source(
            self.objective,
            self.mesh,
            item_count=self.item_count,
            unseen_share=self.training.unseen_share,
            event_dropout=self.event_dropout,
        )

    def run(
        self,
        on_epoch: OnEpoch = lambda _metrics, _speed: None,
        on_batch: OnBatch = lambda _progress: None,
        part: str = "",
    ) -> None:
        """Train from the current progress to the last epoch. part: see `run_epochs`."""
        run_epochs(
            self,
            self.progress,
            epochs=self.training.epochs,
            patience=self.training.patience,
            part=part,
            on_epoch=on_epoch,
            on_batch=on_batch,
        )

    def restore(self, progress: TrainingProgress) -> None:
        """Continue from the progress of an earlier run of the same training."""
        self.progress = dataclasses.replace(
            progress, state=self.mesh.replicate(progress.state), best=self.mesh.replicate(progress.best)
        )

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
        return predict_logits(self.compiled_forward, state.weights, state.table, self.mesh, windows, shapes)

    # The rest is the `EpochTask` that `run_epochs` works on.

    def batches(self, epoch: int) -> list[tuple[Shape, NDArray[np.int64]]]:
        """Return the shape and the sessions of each batch of an epoch."""
        passed, part = divmod(epoch, self.parts)
        rows = self.objective.rows(seed=self.seed, epoch=passed)
        if self.parts > 1:
            mixed = make_rng(self.seed, passed, self.parts, 0).permutation(rows)
            rows = np.array_split(mixed, self.parts)[part]
        return plan_batches(self.objective.train.lengths, rows, self.shapes, make_rng(self.seed, epoch))

    def train_batch(
        self, state: TrainState, batch: tuple[Shape, NDArray[np.int64]], *, epoch: int, number: int
    ) -> TrainState:
        """Return the state after batch `number` of an epoch."""
        shape, rows = batch
        arrays, items = self.source.prepare_batch(rows, shape, make_rng(self.seed, epoch, number))
        after: TrainState = self.mesh.replicate(self.train_step(state, self.key, arrays, items))
        return after

    def examples(self, batch: tuple[Shape, NDArray[np.int64]]) -> int:
        """Return the number of sessions in a batch."""
        return len(batch[1])

    def evaluate(self, state: TrainState) -> dict[str, float]:
        """Return metrics on the validation split."""
        return self.objective.evaluate(partial(self._forward, state), self.shapes)

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the value that early stopping maximises."""
        return self.objective.monitor(metrics)

    def weights(self, state: TrainState) -> Any:
        """Return the weights and the item table."""
        return state.weights, state.table


def make_trainer(
    model: str,
    settings: JsonObject,
    training: NetworkTraining,
    objective: Objective,
    encoding: Encoding,
    *,
    event_dropout: float,
    seed: int,
    file: Path | None = None,
) -> Trainer:
    """Return the trainer of an untrained network, given by its name in `rabbithole.models` or its file.

    Raises `UserError` where a file's network does not do what training relies on; see `check_network`.
    """
    code = model_code(model, settings, file)
    assert isinstance(code.settings, NetworkSettings)
    shape = network_shape(encoding, objective.outputs)
    # Initialised in one compiled program: compiling it array by array takes longer than an epoch.
    network = nnx.jit(network_maker(code, shape, seed=seed))()
    if file is not None:
        check_network(network, shape)
    return Trainer(
        network,
        code.settings,
        training,
        objective,
        length=encoding.window,
        event_dropout=event_dropout,
        seed=seed,
    )


def load_network(checkpoint: Path) -> Forward:
    """Return the network of a checkpoint; raises `UserError` where it does not fit its description."""
    network, weights, table = restored_network(checkpoint)
    mesh = DeviceMesh()
    weights, table = mesh.replicate((weights, table))
    return partial(predict_logits, jax.jit(network.forward), weights, table, mesh)


def restored_network(checkpoint: Path) -> tuple[Network, Any, Array]:
    """Return a checkpoint's network, its weights and its item table; raises `UserError` as `load_network`."""
    description = read_description(checkpoint)
    code = checkpoint_code(checkpoint, description)
    # The file has sorted keys.
    sizes = {field: description.sizes[field] for field in description.fields.categorical}
    encoding = Encoding(
        description.fields, sizes, description.length, description.roots, history=description.history
    )
    maker = network_maker(code, network_shape(encoding, description.outputs), seed=0)
    # Only shapes and types: the weights come from the checkpoint.
    network, weights, table = split_network(nnx.eval_shape(maker))
    weights, table = load_weights(checkpoint, weights, table)
    return network, weights, table


def network_shape(encoding: Encoding, outputs: int) -> NetworkShape:
    """Return what a network must know of the data and of the target."""
    sizes = encoding.sizes | dict.fromkeys(encoding.fields.numeric, 0)
    return NetworkShape(sizes, encoding.roots, encoding.window, outputs)


def network_maker(code: ModelCode, shape: NetworkShape, *, seed: int) -> Callable[[], Any]:
    """Return a function without arguments that creates the network with random weights."""
    return lambda: code.model(code.settings, shape, rngs=nnx.Rngs(jax.random.key(seed, impl=PRNG_IMPL)))
