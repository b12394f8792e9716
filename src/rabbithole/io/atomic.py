"""Write outputs atomically: complete, or not at all."""

import errno
import glob
import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""The disk is full, or may not be written."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The block writes a file or a folder to the yielded path. If it raises, the temporary is removed and
    `path` stays as it was. Temporaries that killed runs left for the same path are removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        remove(stale)
    temporary = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        with write_errors_at(path, temporary):
            yield temporary
            remove(path)
            temporary.replace(path)
    finally:
        with suppress(OSError):
            remove(temporary)


@contextmanager
def write_errors_at(path: Path, written: Path) -> Iterator[None]:
    """Name `path` in the errors of a full or read-only disk, for a block that writes to `written`."""
    try:
        yield
    except OSError as error:
        # Libraries often leave out the path that could not be written, or name one inside of it.
        # Of a copy that fails, the second one is where it was written.
        names = [name for name in (error.filename, error.filename2) if name is not None]
        inside = not names or any(str(name).startswith(str(written)) for name in names)
        if error.errno in WRITE_ERRORS and inside:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


@contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Remove a finished output if the block raises, which writes what belongs to it."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            remove(path)
        raise


def copy_folder(source: Path, target: Path, *, without: Collection[str] = ()) -> None:
    """Copy a folder to a new one. The first error ends it and names its file. without: names of files.

    `shutil.copytree` goes on after errors, and gathers them without their numbers.
    """
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            copy_folder(path, target / path.name, without=without)
        elif path.name not in without:
            shutil.copyfile(path, target / path.name)


def remove(path: Path) -> None:
    """Remove a file or a folder with its content, if it exists."""
    for seconds in (0.01, 0.1, 1.0, None):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            return
        except OSError as error:
            # After a failure, threads of a library may still write into the folder.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or seconds is None:
                raise
            time.sleep(seconds)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content in hex; reads in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
