"""Outputs that appear whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of errors that say that nothing more can be written, but not where."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its place when the block ends well.

    The block writes a file or a folder under the yielded name. If it raises, the temporary is
    removed and `path` is left as it was. What killed runs left behind for the same path is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}.*.partial"):
        remove(stale)
    temporary = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        yield temporary
        remove(path)
        temporary.replace(path)
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys; NaN and infinity are refused (ValueError)."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text("utf-8"))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex, read in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
