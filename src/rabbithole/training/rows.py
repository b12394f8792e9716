"""A step of a table of which a batch touches few rows: those alone are read and written.

To go over every row of an item table at every step costs more than the rest of the network. Plain descent,
by which large tables learn, leaves a row as it is that was not seen.
"""

from typing import Any

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
    all; slopes: float32 [n, width], the loss's derivatives by these rows. With rows, the optimiser may keep
    nothing by row.
    """
    own = table if rows is None else take_rows(table, rows)
    changes, state = optimiser.update(slopes, state, own)
    moves = jnp.asarray(changes)
    if rows is None:
        return table + moves, state
    return table.at[rows].add(moves, mode="drop", unique_indices=True), state
