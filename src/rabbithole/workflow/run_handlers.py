"""What the workflow does when a run starts and when it has succeeded.

Notes and the history of runs can't make a run fail. One check can end it before its first job: that of a
Slurm without accounting. `sacct` does not know there whether a job has ended, and Snakemake's Slurm plugin
would ask it again and again, without a message.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rabbithole.counts import listed
from rabbithole.errors import UserError
from rabbithole.workflow.places import HISTORY
from rabbithole.workflow.project import Project

LOGGER = logging.getLogger("snakemake.logging")
"""Snakemake's logger, so that our lines come between its own."""

TRAININGS = ("train", "blend", "train_text")
"""The rules that train a model."""

PAGE = "page"
"""The rule that writes the report."""

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snakemake.jobs import Job
    from snakemake.workflow import Workflow


def note_folds(project: Project) -> None:
    """Log in one line which data sets are split by folds, and how often models are trained on them."""
    if counts := [f"{len(project.folds(name))} times on {name}" for name in project.folded]:
        text = f"Each model is trained once per fold: {listed(counts)}."
        LOGGER.info(text, extra={"rabbithole": "note"})


def note_retraining(project: Project, workflow: Workflow) -> None:
    """Log which existing models this run trains again and why, and whose report it replaces."""
    dag = workflow.dag
    pages = [job for job in dag.needrun_jobs() if job.rule.name == PAGE]
    again = [
        job
        for job in dag.needrun_jobs()
        if job.rule.name in TRAININGS and any(Path(str(path)).exists() for path in job.output)
    ]
    if not (again or pages) or workflow.touch:
        return
    # Loaded only where needed: planning a run takes no longer.
    from rabbithole.workflow.project import without_fold
    from rabbithole.workflow.retraining import TEXT, Trained, replaced_report_note, retraining_note
    from rabbithole.workflow.run_history import read_history
    from rabbithole.workflow.why import reasons

    def causes_of(job: Job) -> Iterator[str]:
        for cause in dag.bfs(dag.dependencies, job):
            if dag.needrun(cause):
                yield from reasons(str(dag.reason(cause)), Path())

    try:
        history = read_history(Path(project.results))
        causes = list(chain.from_iterable(map(causes_of, again)))
    # It is only a note: whatever Snakemake's reasons look like, the run goes on.
    except (OSError, ValueError, SyntaxError, UserError) as error:
        LOGGER.warning(f"The history of runs cannot be read: {error}")
        return
    if pages and (note := replaced_report_note(project, history)):
        LOGGER.info(note, extra={"rabbithole": "note"})
    if not again:
        return
    trained = [Trained(without_fold(job.wildcards.get("dataset", TEXT)), _model(job)) for job in again]
    LOGGER.info(retraining_note(project, history, trained, causes), extra={"rabbithole": "note"})


def _model(job: Job) -> str:
    """Return the model that a job trains."""
    return str(job.wildcards.get("model") or job.wildcards.text_model)


def finish_run(project: Project, workflow: Workflow, started: float) -> None:
    """Append the run to the history. started: when the workflow was read, in seconds since 1970."""
    if workflow.touch:
        return
    from rabbithole.workflow.run_history import read_history, record_run

    # NumPy's f2py, which SciPy imports, ends where this is no number.
    os.environ.pop("SOURCE_DATE_EPOCH", None)
    dag = workflow.dag
    targets = sorted({rule.name for rule in dag.targetrules} | {str(file) for file in dag.targetfiles})
    outputs = {str(file) for job in dag.jobs for file in job.output}
    try:
        history = read_history(Path(project.results))
        for message in history.refused:
            LOGGER.warning(message)
        record_run(project, history, targets=targets, outputs=outputs, seconds=time.time() - started)
    # ValueError: Arrow raises it for a damaged file.
    except (UserError, OSError, ValueError) as error:
        LOGGER.warning(f"This run is missing in {project.path(HISTORY)}: {error}")


def print_summary(project: Project, workflow: Workflow) -> None:
    """Log the headline figures and the report's path; `make` prints them itself, as its last lines.

    A run that does not ask for the report prints nothing: the report may be that of other settings. The lines
    go through Snakemake's logger, so that they come after its own on the jobs.
    """
    summary = project.path("report/summary.txt")
    is_target = any(summary in map(str, job.output) for job in workflow.dag.jobs)
    if is_target and Path(summary).exists() and "RABBITHOLE_MAKE" not in os.environ:
        LOGGER.info(Path(summary).read_text("utf-8"), extra={"rabbithole": "summary"})


ANSWER_SECONDS = 30
"""How long a command of Slurm may take to answer."""

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
