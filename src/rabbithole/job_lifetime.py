"""A job ends with the Snakemake that started it: an orphan would write into the next run's results."""

import os
import select
import signal
import socket
import threading

PARENT = "RABBITHOLE_PARENT"
"""Environment variable: host and process id of that Snakemake, as `parent_id` returns them."""


def parent_id() -> str:
    """Return this process's host and id, for the jobs that it starts."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_parent() -> int | None:
    """Return a pidfd of the process that `RABBITHOLE_PARENT` names: readable once that process has ended.

    None without that variable, where that process runs on another host (the cluster ends its own jobs), and
    where the system has no pidfd (only Linux has). Raises `ProcessLookupError` if it has ended.
    """
    host, _, number = os.environ.get(PARENT, "").rpartition(":")
    if host != socket.gethostname() or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(int(number))
    except ProcessLookupError:
        raise
    except OSError:
        # A container may forbid it.
        return None


def die_with_parent() -> None:
    """Kill this process as soon as its parent, as `open_parent` returns it, has ended."""
    try:
        parent = open_parent()
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        if parent is not None:
            threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """Wait until the process of a pidfd ends, then kill this process."""
    poll = select.poll()
    poll.register(parent, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGKILL)
