"""What XLA compiled is kept between runs: a rerun finds what the last run made."""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path

LARGEST = 2**30
"""Bytes that the cache may take; what was not used longest goes first."""


def enable_compile_cache() -> None:
    """Let JAX keep what it compiles in the user's cache folder; must come before JAX is imported.

    A folder a kind of processor: the code is for this machine's alone, and a home folder may be shared by
    many. JAX's own environment variables win; a folder that can't be written is passed over.
    """
    folder = user_cache_path("rabbithole") / "compiled" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(LARGEST))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


def _processor() -> str:
    """Return a name for what this machine's processor can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
