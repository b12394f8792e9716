"""A job dies with the Snakemake that started it: an orphan would write into the next run's results."""

import os
import select
import signal
import socket
import threading

PARENT = "RABBITHOLE_PARENT"
"""Environment variable: the host and the process id of that Snakemake, as `name` gives them."""


def parent_id() -> str:
    """Return this process's host and id, for the jobs that it starts."""
    return f"{socket.gethostname()}:{os.getpid()}"


def die_with_parent() -> None:
    """Kill this process as soon as the one that `RABBITHOLE_PARENT` names is gone.

    Does nothing without it, where that process is on another host (a task of a cluster's job, which the
    cluster ends itself), or where the system has no pidfd (it is Linux's).
    """
    host, _, number = os.environ.get(PARENT, "").rpartition(":")
    if host != socket.gethostname() or not hasattr(os, "pidfd_open"):
        return
    try:
        parent = os.pidfd_open(int(number))
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
    except OSError:
        # A container may forbid it.
        return
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """Wait until a process ends, given by its pidfd, then end this one at once."""
    watched = select.poll()
    watched.register(parent, select.POLLIN)
    watched.poll()
    os.kill(os.getpid(), signal.SIGKILL)
