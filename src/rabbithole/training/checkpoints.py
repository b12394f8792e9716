"""Trained networks on disk, and the resumable state of running trainings."""

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax import Array

from rabbithole.artifacts.training import CheckpointFiles, ModelDescription, ResumeProgress
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, remove
from rabbithole.training.loop import TrainingProgress, assert_same_on_all_hosts, is_primary

LOGGER = logging.getLogger("rabbithole")

WEIGHTS = "weights"
ARRAYS, PROGRESS = "arrays", "progress.json"

TIMES = ("_CHECKPOINT_METADATA", "commit_success.txt")
"""What orbax notes on when an array was saved. It does not need that to read the array."""

OS_ERROR = re.compile(r"os_error_code='(\d+)'")
"""How orbax names the number of an error of the operating system."""

# orbax raises each error, and also logs it with a trace; at each save it warns that no OCDBT is there.
logging.getLogger("absl").setLevel(logging.CRITICAL)

EPOCH_SECONDS = 10.0
"""No state is saved at the end of an epoch within this many seconds of the last one: saving takes a tenth of
a second or more."""


def write_description(folder: Path, description: ModelDescription, files: Sequence[Path]) -> None:
    """Write model.json and copy files: those that encode new sessions, and the user's own file of the model.

    Creates the folder if necessary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description.write(folder / "model.json")
    for file in files:
        shutil.copyfile(file, folder / file.name)


def read_description(folder: Path) -> ModelDescription:
    """Read a checkpoint's model.json; raises `UserError` where it is missing, damaged or of another kind."""
    return ModelDescription.read(folder / "model.json")


def save_weights(folder: Path, weights: Any, table: Array) -> None:
    """Write a network's weights."""
    save_arrays(folder / WEIGHTS, (weights, table))


def load_weights(folder: Path, weights: Any, table: Array) -> tuple[Any, Array]:
    """Read a network's weights; the arguments give structure, shapes and types.

    Raises `UserError` when the saved network had other weights.
    """
    try:
        loaded: tuple[Any, Array] = load_arrays(folder / WEIGHTS, (weights, table))
    except ValueError as error:
        raise UserError(
            f"{folder} was written by another version, whose network had other weights: train it again."
        ) from error
    return loaded


def save_arrays(folder: Path, tree: Any) -> None:
    """Write a tree of arrays as one flat mapping from names to arrays; equal arrays give equal bytes.

    Raises OSError that names the folder where the disk is full.
    """
    with _errors_of_the_system(folder), _checkpointer() as checkpointer:
        checkpointer.save(folder.absolute(), jax.tree.map(np.asarray, _flatten(tree)))
    for name in TIMES:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _errors_of_the_system(path: Path) -> Iterator[None]:
    """Raise as OSError what the operating system refuses, as a full disk; orbax raises ValueError."""
    try:
        yield
    except ValueError as error:
        if (code := OS_ERROR.search(str(error))) is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def load_arrays(folder: Path, tree: Any) -> Any:
    """Read a tree of arrays; `tree` gives structure and shapes. Raises ValueError where they differ."""
    # As NumPy arrays: XLA would compile again for arrays that orbax has placed on devices.
    target = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in _flatten(tree).items()}
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in target}
    with _checkpointer() as checkpointer:
        loaded = checkpointer.restore(
            folder.absolute(), args=ocp.args.PyTreeRestore(item=target, restore_args=as_numpy)
        )
    # orbax does not check shapes.
    if wrong := [name for name, leaf in target.items() if loaded[name].shape != leaf.shape]:
        raise ValueError(f"{folder}: {wrong[0]} has another shape")
    return jax.tree.unflatten(jax.tree.structure(tree), [jnp.array(loaded[name]) for name in target])


def _checkpointer() -> ocp.Checkpointer:
    """Return a checkpointer that does not wait for other processes of the same training.

    It writes a folder per array: orbax's other format, OCDBT, names its files at random.
    """
    options = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(),
        active_processes={jax.process_index()},
        barrier_sync_key_prefix="single_process",
    )
    handler = ocp.PyTreeCheckpointHandler(use_ocdbt=False, multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def _flatten(tree: Any) -> dict[str, Array]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def settings_digest(*values: Any) -> str:
    """Return 16 hex digits for everything that a training's state depends on (values that JSON can hold)."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class ResumeCheckpoints:
    """The saved states of one training: usually one on disk, for a moment two, none after its end."""

    def __init__(self, folder: Path, *, minutes: float) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self.last_save = time.monotonic()

    def load(self, progress: TrainingProgress) -> TrainingProgress | None:
        """Return the newest complete state, or None; `progress` gives structure, shapes and types."""
        newest = next(filter(_is_complete, sorted(self.folder.glob("[0-9]*"), reverse=True)), None)
        loaded = None
        if newest is not None:
            state, best = load_arrays(newest / ARRAYS, (progress.state, progress.best))
            saved = ResumeProgress.read(newest / PROGRESS)
            loaded = TrainingProgress(state=state, best=best, **saved.model_dump())
        # At the end, so that the primary process removes nothing that another one still reads.
        assert_same_on_all_hosts(newest.name if newest else "")
        return loaded

    def keep(self, progress: TrainingProgress) -> None:
        """Save the state if enough time has passed; to be called after each batch and each epoch.

        Of several processes that train together, the primary one saves. Where the state cannot be written,
        the training goes on, and tries again later.
        """
        wait = min(self.seconds, EPOCH_SECONDS) if progress.batch == 0 else self.seconds
        if is_primary() and time.monotonic() - self.last_save >= wait:
            try:
                self.save(progress)
            except OSError as error:
                LOGGER.warning(
                    "%s: %s. The training goes on; if it is killed, it starts from its last saved state.",
                    error.filename or self.folder,
                    error.strerror,
                )
            self.last_save = time.monotonic()

    def save(self, progress: TrainingProgress) -> None:
        """Write the state, then remove older ones once not even a power failure can lose the new one."""
        fields = {name: getattr(progress, name) for name in ResumeProgress.model_fields}
        newest = self.folder / f"{progress.epoch:05d}-{progress.batch:08d}"
        with atomic_write(newest) as temporary:
            save_arrays(temporary / ARRAYS, (progress.state, progress.best))
            ResumeProgress.model_validate(fields).write(temporary / PROGRESS)
            CheckpointFiles.seal(temporary)
            for path in (*temporary.rglob("*"), temporary):
                _sync_to_disk(path)
        for path in (self.folder, *self.folder.parents[:2]):
            _sync_to_disk(path)
        for path in self.folder.iterdir():
            if path != newest:
                remove(path)

    def remove(self) -> None:
        """Remove all states, and the parent folder if this training was the last one in it."""
        remove(self.folder)
        with suppress(OSError):
            self.folder.parent.rmdir()


def _is_complete(state: Path) -> bool:
    """Return whether a saved state holds exactly the files that were written."""
    try:
        CheckpointFiles.check(state)
    except (OSError, UserError):
        return False
    return True


def _sync_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
