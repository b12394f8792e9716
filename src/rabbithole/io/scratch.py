"""Temporary folders in TMPDIR. The next process removes what a killed one left there."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "rabbithole-"

LOCK = ".lock"
"""A file in each folder, which its process holds locked. The system unlocks it when the process ends."""


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Yield a new folder in TMPDIR, `rabbithole-NAME-...`, and remove it at the end.

    Removes those of ended processes first: an unpacked log may take gigabytes.
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    # Under another name until it is locked, so that no process takes it for an abandoned one.
    unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}{name}-"))
    folder = unlocked.with_name(unlocked.name.removeprefix("."))
    try:
        with (unlocked / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            unlocked.rename(folder)
            yield folder
    finally:
        for path in (unlocked, folder):
            shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of ended processes; those of other users and of other programs stay."""
    for path in parent.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
