"""Prepares JAX before it is imported: refuses bad XLA flags, and keeps compiled programs between runs."""

import atexit
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from rabbithole.errors import UserError, printable
from rabbithole.io.atomic import atomic_write, remove, sha256_of
from rabbithole.machine import processor_facts

LOGGER = logging.getLogger(__name__)

VARIABLE = "XLA_FLAGS"

START_XLA = "from jaxlib import xla_client; xla_client.make_cpu_client()"

REASON = re.compile(r"^[EF]\d{4} \S+ +\d+ \S+\] (?P<reason>.*)$", re.MULTILINE)
"""A line in which XLA says what is wrong."""

MAX_SECONDS = 25
"""How long XLA may take to start: flags may come from a file, which may be a pipe."""


KEPT_VARIABLES = re.compile(
    r"JAX_(?:PLATFORM|COMPILATION_CACHE_|PERSISTENT_CACHE_|ENABLE_COMPILATION_CACHE|CPU_ENABLE_ASYNC_DISPATCH|LOG|"
    r"DEBUG_LOG_|EXPLAIN_|TRACEBACK_|(?:CUDA|ROCM)_VISIBLE_DEVICES)"
)
"""Variables of JAX that say where it computes, what it keeps and what it logs."""

DROPPED_VARIABLES = re.compile(r"JAX_|FLAX_|TF_XLA_FLAGS$|NVIDIA_TF32_OVERRIDE$")


def drop_other_variables() -> None:
    """Remove all other variables of JAX, Flax and the GPU's libraries.

    Many change results, as JAX_RANDOM_SEED_OFFSET and FLAX_FIX_RNG_SEPARATOR do, or stop a step.
    """
    for name in [name for name in os.environ if DROPPED_VARIABLES.match(name)]:
        if not KEPT_VARIABLES.match(name):
            del os.environ[name]


def warn_of_flags() -> None:
    """Log that there are flags of XLA: they are the user's to choose, and some change results."""
    if flags := os.environ.get(VARIABLE, "").strip():
        LOGGER.warning(
            "Warning: %s=%s is set. Such flags can change results: without them, others may come out.",
            VARIABLE,
            printable(flags),
        )


def refuse_bad_flags() -> None:
    """Raise `UserError` if XLA can't read the flags in its variable. They are tried in another process."""
    flags = os.environ.get(VARIABLE, "")
    if not flags.strip():
        return
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", START_XLA],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        reason = "it does not start with them"
    else:
        if done.returncode == 0:
            return
        said = REASON.search(done.stderr)
        reason = said["reason"][:200] if said else f"it ended with {done.returncode}"
    raise UserError(
        f"XLA can't be set up with {VARIABLE}={printable(flags)} ({printable(reason)}). Unset the variable."
    )


MAX_CACHE_BYTES = 2**28
"""Bytes that the cache may take; what was not used for longest is deleted first. Each start reads all."""

ENTRY, LAST_USE = "-cache", "-atime"
"""Endings of the two files that JAX keeps for each compiled program."""

DIGESTS = "digests.json"
"""The sha256 of each entry, written by the process that compiled it, at its end."""

LOCK_SECONDS = 10


def enable_compile_cache() -> None:
    """Let JAX keep compiled programs in the user's cache folder; to be called before JAX is imported.

    Each kind of processor has its own folder, as programs run only on the kind that they were compiled for,
    and several machines may share a home folder. JAX's own environment variables take precedence. Without
    write access, nothing is cached.

    A damaged entry would crash JAX. So entries without the digest that they had are removed.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = user_cache_path("rabbithole") / "compiled" / _processor_digest()
    started = time.time_ns()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_damaged(folder)
    except (OSError, TimeoutError):
        return
    atexit.register(keep_digests, folder, since=started)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(MAX_CACHE_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


def remove_damaged(folder: Path) -> None:
    """Remove entries that are not what was written, whose digest is unknown, or that lack a file.

    A single entry without a time of its last use would make JAX stop caching.
    """
    with _locked(folder):
        known, entries = _read_digests(folder), _entries(folder)
        complete = {name for name in entries if (folder / (name + LAST_USE)).is_file()}
        good = {name for name in complete & known.keys() if _digest(folder, name) == known[name]}
        for path in folder.iterdir():
            if path.name.endswith((ENTRY, LAST_USE)) and path.name.rpartition("-")[0] not in good:
                remove(path)


def keep_digests(folder: Path, *, since: int) -> None:
    """Add the digests of the entries that were written since a time in nanoseconds."""
    with suppress(OSError, TimeoutError), _locked(folder):
        known, entries = _read_digests(folder), _entries(folder)
        new = {name for name in entries - known.keys() if _written(folder, name) >= since}
        if not new:
            return
        digests = {name: known.get(name) or _digest(folder, name) for name in entries & (known.keys() | new)}
        with atomic_write(folder / DIGESTS) as temporary:
            temporary.write_text(json.dumps(digests, indent=0, sort_keys=True), "utf-8")


def _locked(folder: Path) -> FileLock:
    """Return the lock that JAX holds while it reads or writes an entry."""
    return FileLock(folder / ".lockfile", timeout=LOCK_SECONDS)


def _entries(folder: Path) -> set[str]:
    return {path.name.removesuffix(ENTRY) for path in folder.glob(f"*{ENTRY}") if path.is_file()}


def _written(folder: Path, name: str) -> int:
    return (folder / (name + ENTRY)).stat().st_mtime_ns


def _digest(folder: Path, name: str) -> str | None:
    """Return the sha256 of an entry, None if it cannot be read."""
    try:
        return sha256_of(folder / (name + ENTRY))
    except OSError:
        return None


def _read_digests(folder: Path) -> dict[str, str]:
    """Return the known digests; none where the file is missing or damaged: all is compiled again then."""
    try:
        values = json.loads((folder / DIGESTS).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: str(digest) for name, digest in values.items()} if isinstance(values, dict) else {}


def _processor_digest() -> str:
    """Return 12 hex digits for the processor's model and features."""
    return hashlib.sha256("\n".join(processor_facts()).encode()).hexdigest()[:12]
