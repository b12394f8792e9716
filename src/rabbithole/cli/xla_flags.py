"""Refuses flags of XLA that it can't read: it would end the process with a stack trace."""

import os
import re
import subprocess
import sys

from rabbithole.errors import UserError, printable

VARIABLE = "XLA_FLAGS"

START_XLA = "from jaxlib import xla_client; xla_client.make_cpu_client()"

REASON = re.compile(r"^[EF]\d{4} \S+ +\d+ \S+\] (?P<reason>.*)$", re.MULTILINE)
"""A line in which XLA says what is wrong."""

MAX_SECONDS = 25
"""How long XLA may take to start: flags may come from a file, which may be a pipe."""


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
