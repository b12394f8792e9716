"""What the workflow does when a run starts and when it has succeeded."""

import sys
import time
from pathlib import Path
from typing import Any

from rabbithole.errors import UserError
from rabbithole.workflow.project import Project

TRAINING_RULES = ("train", "train_text")


def note_retraining(project: Project, workflow: Any) -> None:
    """Say in one line which existing models this run trains again, and why. It never stops a run."""
    # Pandas and Arrow load only in a run that may need them.
    from rabbithole.workflow.run_history import retraining_note

    jobs = getattr(getattr(workflow, "dag", None), "needrun_jobs", lambda: ())()
    again = [
        str(job.message or job.rule.name)
        for job in jobs
        if job.rule.name in TRAINING_RULES and any(Path(str(path)).exists() for path in job.output)
    ]
    try:
        note = retraining_note(project, sorted(text.removeprefix("Training ") for text in again))
    except UserError as error:
        note = f"The history of runs can't be read: {error}"
    if note:
        print(note, file=sys.stderr)


def finish_run(project: Project, started: float) -> None:
    """Append the run to the history; a history that cannot be written is said, and fails nothing."""
    from rabbithole.workflow.run_history import record_run

    try:
        record_run(project, seconds=time.time() - started)
    except (UserError, OSError) as error:
        print(f"The run is not in results/runs.jsonl: {error}", file=sys.stderr)
