"""What a network is trained for, and the step that trains it on one batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from rabbithole.artifacts.training import Calibration
from rabbithole.errors import UserError
from rabbithole.models.layers import ONE_HOT_SIZE, RowTable, large_tables
from rabbithole.models.settings import NetworkSettings
from rabbithole.registry import load_module
from rabbithole.specs.training import AugmentationSpec, Balance, Target
from rabbithole.training.batching import Batch, Shape
from rabbithole.windows.arrays import Encoding, Windows

CLASSES: dict[Target, str] = {"buyer": "PurchaseObjective", "next_event": "NextEventObjective"}
"""The class of each target's objective. `registry.OBJECTIVES` has its module."""

Forward = Callable[[Windows, list[Shape]], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""A network: from windows and batch shapes to the sessions and logits of each batch; see `predict_logits`."""

ValidLogits = Callable[[list[int]], NDArray[np.float64]]
"""From steps to a model's log odds on valid as trained, float64 [len(steps), n], NaN for shorter sessions."""


class Objective(Protocol):
    """A prediction target, with the sessions to train on and those for early stopping.

    outputs: the network's logits per step; min_batches: batches that an epoch has at least. Where train
    is small, each holds fewer sessions.
    """

    train: Windows
    valid: Windows
    outputs: int
    min_batches: int

    @classmethod
    def read(
        cls, windows: Path, encoding: Encoding, *, balance: Balance, augmentation: AugmentationSpec
    ) -> Self:
        """Read train and valid; raises `UserError` when they cannot be trained on."""

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the sessions to train on in an epoch, int64 [m]."""

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the logits that an untrained network should predict, float32 [outputs]."""

    def target_arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays, by session or by step of train, that `batch_targets` indexes.

        Each has one more entry at the end. Index -1 reads it: that of empty places and of padding.
        """

    def batch_targets(self, batch: Batch, *arrays: Any) -> tuple[Any, ...]:
        """Return a batch's targets, arrays [batch, ..], which `loss` takes.

        batch: after augmentation; arrays: the `target_arrays`, NumPy's or, on an accelerator, JAX's.
        """

    def loss(self, logits: Array, *targets: Array) -> tuple[Array, Array]:
        """Return the training loss and two sums whose ratio is the loss to report, float32 [] and [2].

        The training loss is a sum over the batch. logits: float32 [batch, steps, outputs].
        """

    def evaluate(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return metrics on valid: `valid_loss`, and others whose names start with `valid_`."""

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the value that early stopping maximises."""

    def fit_calibration(self, forward: Forward, shapes: list[Shape], *, length: int) -> Calibration | None:
        """Fit the trained network's calibration on valid; None where its logits are used as they are."""

    def valid_losses(
        self, forward: Forward, shapes: list[Shape], *, length: int
    ) -> NDArray[np.float64] | None:
        """Return the calibrated network's loss of each valid session, float64 [n]; None if there is none."""


def require_finite(logits: NDArray[Any]) -> None:
    """Raise `UserError` where a network's outputs are not finite."""
    if not np.isfinite(logits).all():
        raise UserError("the network's outputs are not finite. Take a smaller learning_rate.")


def objective_class(target: Target) -> type[Objective]:
    """Return the class of a target's objective."""
    objective: type[Objective] = getattr(load_module("objective", target), CLASSES[target])
    return objective


TABLE_RATE = 0.1
"""Learning rate of large tables per session, as a multiple of the network's. With SGD, the
update of a row grows with how often its item occurs. Adam normalises this away: rare rows move as far as
frequent ones, and the networks overfit to train's items."""

AUGMENTATION_KEY = 1
"""Folded into a step's key, it gives the key of the augmentation on an accelerator."""

WARMUP_STEPS = 200
"""Steps of learning-rate warm-up, at most a tenth of all steps."""

Materialise = Callable[..., tuple[Array, Array, tuple[Array, ...]]]
"""See `BatchSource.materialise`."""

Loss = Callable[..., tuple[Array, Array]]
"""See `Objective.loss`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All arrays that a step changes.

    table: float32 [items, width], the item embedding, updated by row; weights: all other parameters;
    step: int32 [], finished steps; sums: float32 [2], over the epoch so far, whose ratio is the loss.
    """

    weights: Any
    table: Array
    optimiser: Any
    table_optimiser: Any
    step: Array
    sums: Array


@dataclass(frozen=True)
class Network:
    """A network's structure, without its weights."""

    graph: Any
    table_structure: Any

    def forward(
        self, weights: Any, table: Array, codes: Array, numbers: Array, key: Array | None = None
    ) -> Array:
        """Return logits, float32 [batch, steps, outputs]; with a `key`, dropout is on."""
        logits: Array = self.merge(weights, table)(codes, numbers, key)
        return logits

    def merge(self, weights: Any, table: Array) -> Any:
        """Return the model with these weights."""
        tables = jax.tree.unflatten(self.table_structure, [table][: self.table_structure.num_leaves])
        return nnx.merge(self.graph, tables, nnx.State(weights))


def split_network(model: nnx.Module) -> tuple[Network, Any, Array]:
    """Return a model's structure, its weights, and its item table.

    A network without items gets a table of one number that it does not read.
    """
    graph, tables, weights = nnx.split(model, RowTable, nnx.Param)  # type: ignore[misc]
    leaves, table_structure = jax.tree.flatten(tables)
    # Plain dicts: at every step, JAX takes flax's own state apart in Python for longer than a GPU computes.
    table = leaves[0] if leaves else jnp.zeros((1, 1))
    return Network(graph, table_structure), nnx.to_pure_dict(weights), table


def init_train_state(model: nnx.Module, optimiser: Any, table_optimiser: Any) -> tuple[Network, TrainState]:
    """Return a model's structure, and its state before the first step."""
    network, weights, table = split_network(model)
    state = TrainState(
        weights,
        table,
        jax.jit(optimiser.init)(weights),
        jax.jit(table_optimiser.init)(table),
        jnp.zeros((), jnp.int32),
        jnp.zeros(2, jnp.float32),
    )
    return network, state


def make_optimisers(
    settings: NetworkSettings, *, steps: int, batch_size: int, item_count: int
) -> tuple[Any, Any]:
    """Return the optimiser of the weights and that of the item table, which has `item_count` rows.

    Large tables use plain gradient descent, everything else AdamW. The learning rate warms up, then falls to
    0 after `steps` along a cosine. Biases and large tables have no weight decay.
    """
    warmup = max(1, min(WARMUP_STEPS, steps // 10))
    schedule = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, warmup, max(steps, warmup + 1))

    def decayed(weights: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.ndim > 1, weights)

    def labels(weights: Any) -> Any:
        return jax.tree.map(lambda is_large: "large" if is_large else "small", large_tables(weights))

    small = optax.adamw(schedule, weight_decay=settings.weight_decay, mask=decayed)
    large = optax.chain(optax.sgd(schedule), optax.scale(TABLE_RATE * batch_size))
    optimiser = optax.partition({"large": large, "small": small}, labels)
    return optimiser, large if item_count > ONE_HOT_SIZE else small


def take_rows(table: Array, rows: Array) -> Array:
    """Return rows of a table; an index beyond the last row gives zeros."""
    return table.at[rows].get(mode="fill", fill_value=0)


def update_table(
    optimiser: optax.GradientTransformation, state: Any, table: Array, rows: Array | None, gradients: Array
) -> tuple[Array, Any]:
    """Return the table and the optimiser's state after one step.

    table: float32 [size, width]; rows: int32 [n], distinct (those beyond the table are ignored), or None for
    all; gradients: float32 [n, width], of these rows. With `rows`, the optimiser may keep no state per row.
    """
    selected = table if rows is None else take_rows(table, rows)
    updates, state = optimiser.update(gradients, state, selected)
    changes = jnp.asarray(updates)
    if rows is None:
        return table + changes, state
    return table.at[rows].add(changes, mode="drop", unique_indices=True), state


def make_train_step(
    network: Network,
    optimiser: Any,
    table_optimiser: Any,
    *,
    batch_size: int,
    materialise: Materialise,
    loss: Loss,
) -> Callable[..., TrainState]:
    """Return the compiled train step: (state, key, arrays, items) to the next state.

    arrays, items: what `BatchSource.prepare_batch` returns. The step reuses the memory of the state. The sum
    of the losses is divided by `batch_size` for every shape of batch, so that each session counts the same
    in any batch.
    """

    # Two programs: `update` is the same for batches of every shape, and is compiled once.
    @jax.jit
    def gradients_of_batch(
        weights: Any, table: Array, step: Array, key: Array, arrays: tuple[Array, ...], items: Array | None
    ) -> Any:
        key = jax.random.fold_in(key, step)
        codes, numbers, targets = materialise(jax.random.fold_in(key, AUGMENTATION_KEY), *arrays)

        def loss_fn(parameters: tuple[Any, Array]) -> tuple[Array, Array]:
            # The network sees a table with only the batch's items; its item codes index this table.
            logits = network.forward(*parameters, codes, numbers, key)
            total, sums = loss(logits, *targets)
            return total / batch_size, sums

        rows = table if items is None else take_rows(table, items)
        return jax.grad(loss_fn, has_aux=True)((weights, rows))

    # Donated, so that the table and its moments change in place instead of being copied at every step.
    @partial(jax.jit, donate_argnums=0)
    def update(
        state: TrainState, gradients: Any, row_gradients: Array, items: Array | None, sums: Array
    ) -> TrainState:
        # optax multiplies integer step counts with floats, which tests of strict types refuse elsewhere.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimiser_state = optimiser.update(gradients, state.optimiser, state.weights)
            table, table_state = update_table(
                table_optimiser, state.table_optimiser, state.table, items, row_gradients
            )
        return TrainState(
            optax.apply_updates(state.weights, updates),
            table,
            optimiser_state,
            table_state,
            state.step + 1,
            state.sums + sums,
        )

    def train_step(state: TrainState, key: Array, arrays: tuple[Any, ...], items: Any) -> TrainState:
        (gradients, row_gradients), sums = gradients_of_batch(
            state.weights, state.table, state.step, key, arrays, items
        )
        return update(state, gradients, row_gradients, items, sums)

    return train_step
