"""What a training has come to so far, and goes on from."""

import dataclasses
import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax import Array

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, read_json, remove, sha256_of, write_json
from rabbithole.training.loop import TrainingProgress
from rabbithole.training.mesh import assert_same_on_all_hosts, is_primary

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


ARRAYS, PROGRESS, FILES = "arrays", "progress.json", "files.json"

EPOCH_SECONDS = 10.0
"""The end of an epoch is passed over so soon after the last save, which takes a tenth of a second or more."""


def settings_digest(*made_of: Any) -> str:
    """Return a name, 16 hex digits, for all that the state of a training depends on (values for JSON)."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


class ResumeCheckpoints:
    """The states kept of one training: there is one on disk, two for a moment, none when it has ended."""

    def __init__(self, folder: Path, *, minutes: float) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self.saved = time.monotonic()

    def load(self, state: TrainingProgress) -> TrainingProgress | None:
        """Return the newest state that is whole, or None; `state` gives structure, shapes and types."""
        kept = next(filter(_is_whole, sorted(self.folder.glob("[0-9]*"), reverse=True)), None)
        found = None
        if kept is not None:
            train_state, best = load_arrays(kept / ARRAYS, (state.state, state.best))
            found = TrainingProgress(state=train_state, best=best, **read_json(kept / PROGRESS))
        # Last, so that the first task removes nothing that another still reads.
        assert_same_on_all_hosts(kept.name if kept else "")
        return found

    def keep(self, state: TrainingProgress) -> None:
        """Save the state if it is time to; must be called after each batch and each epoch.

        Of several processes that train together, the first one saves.
        """
        wait = min(self.seconds, EPOCH_SECONDS) if state.batch == 0 else self.seconds
        if is_primary() and time.monotonic() - self.saved >= wait:
            self.save(state)
            self.saved = time.monotonic()

    def save(self, state: TrainingProgress) -> None:
        """Write the state, and remove older ones once it can't be lost, not by a loss of power either."""
        progress = {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name not in ("state", "best")
        }
        newest = self.folder / f"{state.epoch:05d}-{state.batch:08d}"
        with atomic_write(newest) as temporary:
            save_arrays(temporary / ARRAYS, (state.state, state.best))
            write_json(temporary / PROGRESS, progress)
            write_json(temporary / FILES, _digests(temporary))
            for path in (*temporary.rglob("*"), temporary):
                _to_disk(path)
        for path in (self.folder, *self.folder.parents[:2]):
            _to_disk(path)
        for path in self.folder.iterdir():
            if path != newest:
                remove(path)

    def remove(self) -> None:
        """Remove all of them, and the folder of all trainings if this was the last."""
        remove(self.folder)
        with suppress(OSError):
            self.folder.parent.rmdir()


def _is_whole(kept: Path) -> bool:
    """Return whether a state's files are those that were written."""
    try:
        return bool(read_json(kept / FILES) == _digests(kept))
    except (OSError, ValueError):
        return False


def _digests(kept: Path) -> dict[str, str]:
    """Return the sha256 of each file of a state."""
    files = (path for path in kept.rglob("*") if path.is_file() and path != kept / FILES)
    return {str(path.relative_to(kept)): sha256_of(path) for path in files}


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
