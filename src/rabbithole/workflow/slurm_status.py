"""Slurm without accounting: `sacct` does not know there whether a job has ended, and `squeue` does.

Snakemake's Slurm plugin would ask `sacct` for ever, without a word.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

LOGGER = logging.getLogger("snakemake.logging")

ANSWER_SECONDS = 30

DISABLED = "accounting storage is disabled"
"""What `sacct` says where Slurm keeps no account of jobs."""


def ask_squeue_without_accounting(workflow: Workflow) -> None:
    """Let the Slurm plugin ask `squeue` where Slurm has no accounting, and log it.

    Ends the run, before its first job, where Slurm forgets jobs so soon that `squeue` can miss their end.
    Does nothing on another executor.
    """
    settings = workflow.executor_settings
    if getattr(settings, "status_command", None) is None:
        return
    if DISABLED not in _answer("sacct", "--noheader", "--allocations", "--starttime=now"):
        return
    # The plugin goes back to `sacct` if Slurm remembers jobs for less than three waits.
    first_wait = getattr(settings, "init_seconds_before_status_checks", None) or 40
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", _answer("scontrol", "show", "config"), re.MULTILINE)
    if age is not None and int(age[1]) < 3 * first_wait:
        sys.exit(
            f"Error: this Slurm has no accounting, and forgets jobs {age[1]} s after their end (MinJobAge). "
            f"Set slurm-init-seconds-before-status-checks to {int(age[1]) // 3} or less in the profile."
        )
    if settings.status_command != "squeue":
        settings.status_command = "squeue"
        text = "This Slurm has no accounting: squeue is asked whether jobs have ended."
        LOGGER.info(text, extra={"rabbithole": "note"})


def _answer(*command: str) -> str:
    """Return all that a command of Slurm says; empty where there is none, or where it does not answer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
