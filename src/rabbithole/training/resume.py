"""What a training that is killed goes on from: its whole state, kept on disk while it runs.

resume/{digest of settings, code and data}/{epoch}-{place}/
    arrays/          weights, optimiser, best weights (orbax)
    progress.json    the state's other fields
    files.json       the sha256 of each of these files
"""

import dataclasses
import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rabbithole.files import digest, read_json, remove, whole, write_json
from rabbithole.training.checkpoint import load_arrays, save_arrays
from rabbithole.training.sharing import first, same_for_all
from rabbithole.training.state import TrainingState

ARRAYS, PROGRESS, FILES = "arrays", "progress.json", "files.json"

EPOCH_SECONDS = 10.0
"""The end of an epoch is passed over so soon after the last save, which takes a tenth of a second or more."""


def digest_of(*made_of: Any) -> str:
    """Return a name, 16 hex digits, for all that the state of a training depends on (values for JSON)."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


class Checkpoints:
    """The states kept of one training: there is one on disk, two for a moment, none when it has ended."""

    def __init__(self, folder: Path, *, minutes: float) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self.saved = time.monotonic()

    def load(self, state: TrainingState) -> TrainingState | None:
        """Return the newest state that is whole, or None; `state` gives structure, shapes and types."""
        kept = next(filter(_is_whole, sorted(self.folder.glob("[0-9]*"), reverse=True)), None)
        found = None
        if kept is not None:
            learned, best = load_arrays(kept / ARRAYS, (state.learned, state.best))
            found = TrainingState(learned=learned, best=best, **read_json(kept / PROGRESS))
        # Last, so that the first task removes nothing that another still reads.
        same_for_all(kept.name if kept else "")
        return found

    def keep(self, state: TrainingState) -> None:
        """Save the state if it is time to; must be called after each batch and each epoch.

        Of several processes that train together, the first one saves.
        """
        wait = min(self.seconds, EPOCH_SECONDS) if state.place == 0 else self.seconds
        if first() and time.monotonic() - self.saved >= wait:
            self.save(state)
            self.saved = time.monotonic()

    def save(self, state: TrainingState) -> None:
        """Write the state, and remove older ones once it can't be lost, not by a loss of power either."""
        progress = {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name not in ("learned", "best")
        }
        newest = self.folder / f"{state.epoch:05d}-{state.place:08d}"
        with whole(newest) as temporary:
            save_arrays(temporary / ARRAYS, (state.learned, state.best))
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
    return {str(path.relative_to(kept)): digest(path) for path in files}


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
