"""What this machine has: cores, memory, processor."""

import os
import platform
from pathlib import Path


def core_count() -> int:
    """Return the number of cores that this process may use."""
    # macOS has no affinities.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def processor_facts() -> list[str]:
    """Return the lines that Linux writes on the model and features of its processors, sorted; else none."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})


def processor_name() -> str:
    """Return the name of the processor's model, or its architecture where the system names no model."""
    names = [line.partition(":")[2].strip() for line in processor_facts() if line.startswith("model name")]
    return names[0] if names else platform.machine()
