"""How far a step is: one line of JSON beside the log of its job, for whoever waits at the terminal.

The rules name the file in an environment variable. Without it (a step that is called by hand, or a study
without a rule) nothing is written. The file is no output: it exists only while its step runs, and nothing
reads it but the display of the run (`snakemake_logger_plugin_rabbithole`).
"""

import json
import os
import time
from collections import deque
from pathlib import Path

VARIABLE = "RABBITHOLE_PROGRESS"
"""Environment variable with the path of the file."""

INTERVAL = 0.3
"""Seconds between two lines."""

RATE_SECONDS = 10.0
"""Seconds over which the rate is measured."""


class Meter:
    """Measures one part of a step's work.

    total: size of the part, in units; label: what the part is, such as `reading`; whole: whether it is all of
    the step's work, so that the time left follows from it.
    """

    def __init__(self, total: float, unit: str, *, label: str = "", whole: bool = False) -> None:
        self.total, self.unit, self.label, self.whole = total, unit, label, whole
        self.path = os.environ.get(VARIABLE)
        self.points: deque[tuple[float, float]] = deque()
        self.next_time = 0.0

    def update(self, done: float, label: str | None = None) -> None:
        """Note how much is done, and perhaps a new label. Writes a few times a second at most."""
        if self.path is None:
            return
        now = time.monotonic()
        if now < self.next_time:
            return
        self.next_time = now + INTERVAL
        if label is not None:
            self.label = label
        self.points.append((now, done))
        while now - self.points[0][0] > RATE_SECONDS:
            self.points.popleft()
        since, before = self.points[0]
        _write(
            Path(self.path),
            {
                "label": self.label,
                "done": done,
                "total": self.total,
                "unit": self.unit,
                "rate": (done - before) / (now - since) if done > before else None,
                "whole": self.whole,
            },
        )


def report_label(label: str) -> None:
    """Note what a step is doing where nothing can be counted."""
    Meter(0.0, "", label=label).update(0.0)


def _write(path: Path, facts: dict[str, str | float | bool | None]) -> None:
    """Write the line. A step does not fail because nobody can see how far it is."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(facts), "utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def remove_progress() -> None:
    """Remove the file at the end of a step."""
    if path := os.environ.get(VARIABLE):
        Path(path).unlink(missing_ok=True)
