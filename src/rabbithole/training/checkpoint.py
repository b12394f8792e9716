"""A trained model in a folder: all that scoring needs, and nothing that runs code when it is read.

model.json       which model, its settings, the sizes of the vocabularies, the window's length, what makes
                 log odds true, whether running sessions were learned
encoder.json     as the windows had it; prices.parquet too where costs come from purchases
weights/         a network's weights (orbax) ...
model.skops      ... or an estimator
"""

import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax import Array

from rabbithole.errors import UserError
from rabbithole.files import read_json, write_json

WEIGHTS = "weights"
CARRIED = ("encoder.json", "prices.parquet")


def write_description(folder: Path, windows: Path, description: dict[str, Any]) -> None:
    """Write model.json and copy what encodes new sessions; the folder is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "model.json", description)
    for name in CARRIED:
        if (windows / name).exists():
            shutil.copyfile(windows / name, folder / name)


def read_description(folder: Path) -> dict[str, Any]:
    """Read model.json; `UserError` when it is not there."""
    if not (folder / "model.json").exists():
        raise UserError(
            f"{folder} holds no trained model (model.json is missing). Delete it and train again."
        )
    description: dict[str, Any] = read_json(folder / "model.json")
    return description


def save_weights(folder: Path, weights: Any, table: Array) -> None:
    """Write a network's weights."""
    save_arrays(folder / WEIGHTS, (weights, table))


def load_weights(folder: Path, weights: Any, table: Array) -> tuple[Any, Array]:
    """Read what `save_weights` wrote; the arguments give structure, shapes and types.

    Raises `UserError` when the network had other weights then.
    """
    try:
        restored: tuple[Any, Array] = load_arrays(folder / WEIGHTS, (weights, table))
    except ValueError as error:
        raise UserError(
            f"{folder} was written by another version, whose network had other weights: train it again."
        ) from error
    return restored


def save_arrays(folder: Path, tree: Any) -> None:
    """Write a tree of arrays as one flat mapping from a name to an array."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.absolute(), jax.tree.map(np.asarray, _flat(tree)))
        checkpointer.wait_until_finished()


def load_arrays(folder: Path, tree: Any) -> Any:
    """Read what `save_arrays` wrote; `tree` gives structure and shapes, ValueError where they differ."""
    # As plain arrays: for arrays that orbax has placed, XLA would not find what training compiled.
    target = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in _flat(tree).items()}
    with _checkpointer() as checkpointer:
        found = checkpointer.restore(folder.absolute(), target)
    # It says nothing of another shape.
    if wrong := [name for name, leaf in target.items() if found[name].shape != leaf.shape]:
        raise ValueError(f"{folder}: {wrong[0]} has another shape")
    return jax.tree.unflatten(jax.tree.structure(tree), [jnp.array(found[name]) for name in target])


def _checkpointer() -> ocp.StandardCheckpointer:
    """Return a checkpointer that waits for no other process, where several train."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(),
        active_processes={jax.process_index()},
        barrier_sync_key_prefix="alone",
    )
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


def _flat(tree: Any) -> dict[str, Array]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
