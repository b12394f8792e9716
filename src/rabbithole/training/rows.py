"""An optimiser for tables of which a step touches few rows.

To go over every row of an item table at every step costs more than the rest of the network. Here any optax
optimiser works on the touched rows alone; what of its state has the table's shape rests while a row is not
seen (as in TensorFlow's LazyAdam and PyTorch's SparseAdam; plain descent has none), the count of steps is
common.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array


def take_rows(table: Array, rows: Array) -> Array:
    """Return rows of a table; a number beyond the last gives zeros."""
    return table.at[rows].get(mode="fill", fill_value=0)


def update_rows(
    optimiser: optax.GradientTransformation, state: Any, table: Array, rows: Array | None, slopes: Array
) -> tuple[Array, Any]:
    """Return the table and the optimiser's state after one step.

    table: float32 [size, width]; rows: int32 [n], distinct, those beyond the table are left out, or None for
    all; slopes: float32 [n, width], the loss's derivatives by these rows.
    """
    if rows is None:
        changes, state = optimiser.update(slopes, state, table)
        return table + jnp.asarray(changes), state

    def is_table(leaf: Array) -> bool:
        return leaf.shape == table.shape

    small = jax.tree.map(lambda leaf: take_rows(leaf, rows) if is_table(leaf) else leaf, state)
    changes, small = optimiser.update(slopes, small, take_rows(table, rows))
    put: dict[str, Any] = {"mode": "drop", "unique_indices": True}
    state = jax.tree.map(
        lambda leaf, new: leaf.at[rows].set(new, **put) if is_table(leaf) else new, state, small
    )
    return table.at[rows].add(jnp.asarray(changes), **put), state
