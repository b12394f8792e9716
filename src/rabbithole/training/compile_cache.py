"""Keeps what XLA compiles between runs, so that a rerun compiles nothing again."""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path

MAX_CACHE_BYTES = 2**30
"""Bytes that the cache may take; what was not used for longest is deleted first."""


def enable_compile_cache() -> None:
    """Let JAX keep compiled programs in the user's cache folder; to be called before JAX is imported.

    Each kind of processor has its own folder, as programs run only on the kind that they were compiled for,
    and several machines may share a home folder. JAX's own environment variables take precedence. Without
    write access, nothing is cached.
    """
    folder = user_cache_path("rabbithole") / "compiled" / _processor_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(MAX_CACHE_BYTES))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


def _processor_digest() -> str:
    """Return 12 hex digits for the processor's model and features."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    features = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join(features).encode()).hexdigest()[:12]
