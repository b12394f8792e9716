"""Temporary folders in TMPDIR. The next process removes what a killed one left there."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rabbithole.errors import printable

LOGGER = logging.getLogger(__name__)

PREFIX = "rabbithole-"

LOCK = ".lock"
"""A file in each folder, which its process holds locked. The system unlocks it when the process ends."""


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Yield a new folder in TMPDIR, `rabbithole-NAME-...`, and remove it at the end.

    Removes those of ended processes first: an unpacked log may take gigabytes.
    """
    folder, lock = locked_folder(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def locked_folder(name: str) -> tuple[Path, int]:
    """Return a folder as `scratch_folder` makes it, and the descriptor of its lock.

    Whoever holds the descriptor removes the folder.
    """
    if (problem := unused_tmpdir()) is not None:
        LOGGER.warning("Warning: %s", problem)
    remove_abandoned(Path(tempfile.gettempdir()))
    # Under another name until it is locked, so that no process takes it for an abandoned one.
    unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}{name}-"))
    folder = unlocked.with_name(unlocked.name.removeprefix("."))
    try:
        lock = os.open(unlocked / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(folder)
    except BaseException:
        shutil.rmtree(unlocked, ignore_errors=True)
        raise
    return folder, lock


def unused_tmpdir() -> str | None:
    """Return that TMPDIR can't be used, and what is used instead, in words; None if it is used or not set."""
    wanted, used = os.environ.get("TMPDIR"), tempfile.gettempdir()
    if not wanted or os.path.abspath(wanted) == used:  # noqa: PTH100 - as tempfile does
        return None
    return f"TMPDIR is {printable(wanted)}, where no file can be written. Temporary files go to {used}."


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of ended processes; those of other users and of other programs stay."""
    for path in parent.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
