"""A step of a table of which a batch touches few rows: those alone are read and written.

To go over every row of an item table at every step costs more than the rest of the network. Plain descent,
by which large tables learn, leaves a row as it is that was not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from rabbithole.models.layers import ONE_HOT_SIZE, RowTable, large_tables


def take_rows(table: Array, rows: Array) -> Array:
    """Return rows of a table; a number beyond the last gives zeros."""
    return table.at[rows].get(mode="fill", fill_value=0)


def update_rows(
    optimiser: optax.GradientTransformation, state: Any, table: Array, rows: Array | None, slopes: Array
) -> tuple[Array, Any]:
    """Return the table and the optimiser's state after one step.

    table: float32 [size, width]; rows: int32 [n], distinct, those beyond the table are left out, or None for
    all; slopes: float32 [n, width], the loss's derivatives by these rows. With rows, the optimiser may keep
    nothing by row.
    """
    own = table if rows is None else take_rows(table, rows)
    changes, state = optimiser.update(slopes, state, own)
    moves = jnp.asarray(changes)
    if rows is None:
        return table + moves, state
    return table.at[rows].add(moves, mode="drop", unique_indices=True), state


TABLE_RATE = 0.1
"""How far a session moves a row of a large table, in step sizes times its slope. Such tables learn by plain
descent: a row moves as far as what was seen of it says. Adam moves a row that is seen seldom as far as one
that is seen always, and the networks learn train's items by heart."""

AUGMENTING = 1
"""Folded into a step's key, gives that of what is dropped and hidden on the accelerator."""

Receive = Callable[..., tuple[Array, Array, tuple[Array, ...]]]
"""From a key and what was sent to codes, numbers and answers; see `Feed.receive`."""

Loss = Callable[..., tuple[Array, Array]]
"""From a batch's logits and answers to the sum to learn from, and two sums to tell; see `Task.loss`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a step changes, a tree of arrays.

    table: float32 [items, width], the item embedding, updated by row; weights: the other parameters;
    step: int32 [], steps done; sums: float32 [2], over the epoch so far, whose ratio is the loss to tell.
    """

    weights: Any
    table: Array
    optimiser: Any
    table_optimiser: Any
    step: Array
    sums: Array


@dataclass(frozen=True)
class Network:
    """A network's structure, apart from its weights."""

    graph: Any
    table_at: Any

    def forward(
        self, weights: Any, table: Array, codes: Array, numbers: Array, key: Array | None = None
    ) -> Array:
        """Return logits, float32 [batch, steps, outputs]."""
        tables = jax.tree.unflatten(self.table_at, [table])
        return nnx.merge(self.graph, tables, nnx.State(weights))(codes, numbers, key)


def split(model: nnx.Module) -> tuple[Network, Any, Array]:
    """Return a model's structure, its weights, and its table of rows."""
    graph, tables, weights = nnx.split(model, RowTable, nnx.Param)  # type: ignore[misc]
    leaves, table_at = jax.tree.flatten(tables)
    # Plain dicts: JAX takes a state of flax apart in Python, at every step, for longer than a GPU computes.
    return Network(graph, table_at), nnx.to_pure_dict(weights), leaves[0]


def init_train_state(model: nnx.Module, optimiser: Any, table_optimiser: Any) -> tuple[Network, TrainState]:
    """Return a model's structure and its state before the first step."""
    network, weights, table = split(model)
    learned = TrainState(
        weights,
        table,
        jax.jit(optimiser.init)(weights),
        jax.jit(table_optimiser.init)(table),
        jnp.zeros((), jnp.int32),
        jnp.zeros(2, jnp.float32),
    )
    return network, learned


def make_optimisers(settings: dict[str, Any], *, steps: int, batch_size: int, items: int) -> tuple[Any, Any]:
    """Return the optimiser of the weights and that of the item table, which has so many rows.

    AdamW, and plain descent for large tables. Both are warmed up, then go down to 0 after `steps` as a
    cosine. Neither biases nor large tables decay.
    """
    warm = max(1, min(200, steps // 10))
    schedule = optax.warmup_cosine_decay_schedule(0.0, settings["learning_rate"], warm, max(steps, warm + 1))

    def matrices(weights: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.ndim > 1, weights)

    def kinds(weights: Any) -> Any:
        return jax.tree.map(lambda large: "large" if large else "small", large_tables(weights))

    small = optax.adamw(schedule, weight_decay=settings["weight_decay"], mask=matrices)
    large = optax.chain(optax.sgd(schedule), optax.scale(TABLE_RATE * batch_size))
    return optax.partition({"large": large, "small": small}, kinds), large if items > ONE_HOT_SIZE else small


def make_step(
    network: Network,
    optimiser: Any,
    table_optimiser: Any,
    *,
    batch_size: int,
    receive: Receive,
    loss: Loss,
) -> Callable[..., TrainState]:
    """Return the compiled step: (learned, key, sent, rows) to learned, whose memory is taken over.

    sent: what `receive` makes codes and numbers of, and what `loss` takes besides the logits; rows: those of
    the item table that the codes count from, None for all. The sum of losses is divided by `batch_size` for
    every shape of batch, so that each session counts the same wherever it lands.
    """

    @jax.jit
    def slopes_of(
        weights: Any,
        table: Array,
        number: Array,
        key: Array,
        sent: tuple[Array, ...],
        rows: Array | None,
    ) -> Any:
        key = jax.random.fold_in(key, number)
        codes, numbers, answers = receive(jax.random.fold_in(key, AUGMENTING), *sent)

        def loss_fn(at: tuple[Any, Array]) -> tuple[Array, Array]:
            # The network sees a table of the batch's own items; codes count from its first row.
            logits = network.forward(at[0], at[1], codes, numbers, key)
            total, sums = loss(logits, *answers)
            return total / batch_size, sums

        own = table if rows is None else take_rows(table, rows)
        return jax.grad(loss_fn, has_aux=True)((weights, own))

    # Donated, so that the table and its moments change in place: no copy of them is made at each step.
    @partial(jax.jit, donate_argnums=0)
    def update(
        learned: TrainState, slopes: Any, row_slopes: Array, rows: Array | None, sums: Array
    ) -> TrainState:
        changes, state = optimiser.update(slopes, learned.optimiser, learned.weights)
        table, table_state = update_rows(
            table_optimiser, learned.table_optimiser, learned.table, rows, row_slopes
        )
        return TrainState(
            optax.apply_updates(learned.weights, changes),
            table,
            state,
            table_state,
            learned.step + 1,
            learned.sums + sums,
        )

    def step(learned: TrainState, key: Array, sent: tuple[Any, ...], rows: Any) -> TrainState:
        # Two programs: the second is the same for batches of every shape, and is compiled once.
        (slopes, row_slopes), sums = slopes_of(learned.weights, learned.table, learned.step, key, sent, rows)
        return update(learned, slopes, row_slopes, rows, sums)

    return step


def make_forward(network: Network) -> Callable[..., Array]:
    """Return the compiled forward pass: (weights, table, codes, numbers) to [batch, steps, outputs]."""
    return jax.jit(network.forward)
