"""What is known of a run: its jobs, how far they are, and about how long the rest takes."""

import json
import logging
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

TYPICAL_SECONDS = {
    "book": 5.0,
    "simulate": 5.0,
    "events": 20.0,
    "sessions": 18.0,
    "windows": 15.0,
    "train": 20.0,
    "blend": 8.0,
    "train_text": 130.0,
    "explain": 7.0,
    "score": 4.0,
    "next_event": 5.0,
    "sample_text": 4.0,
    "leak_probe": 300.0,
    "ablation": 900.0,
}
"""Seconds of the rules in a run with the default settings on two cores. Before any job of a rule has ended,
its share of the remaining time is guessed from these; only their ratios matter."""

WARNING = "Warning: "
"""How a line of a log begins that the user should see before the run goes on."""

MIN_UNITS_IN_PERCENT = 1000
"""Units of work from which on percent say more than numbers."""

OTHER_SECONDS = 2.0
"""The same for all other rules."""

ENOUGH_SECONDS = 8.0
"""Before jobs have ended that typically take so long together, the remaining time would be a wild guess."""

SMOOTHING_SECONDS = 15.0
"""After so many seconds a new guess of the remaining time counts for two thirds."""


@dataclass(frozen=True)
class Progress:
    """How far a step is, as `rabbithole.progress` writes it.

    label: the part at work; done, total: of that part, in units; rate: units per second; whole: whether
    the part is all of the step's work.
    """

    label: str
    done: float
    total: float
    unit: str
    rate: float | None
    whole: bool

    @property
    def fraction(self) -> float:
        """Return how much of the part is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    @property
    def text(self) -> str:
        """Return this in a few words, such as `epoch 2 of 5, 41 %, 12,300 sessions/s`."""
        parts = [self.label]
        if self.total >= MIN_UNITS_IN_PERCENT:
            parts.append(f"{100 * self.fraction:.0f} %")
        # A single unit has no middle: "0 of 1 tasks" would say nothing until its end.
        elif self.total > 1:
            parts.append(f"{self.done:.0f} of {self.total:.0f} {self.unit}")
        if self.rate:
            parts.append(f"{self.rate:,.{0 if self.rate >= 10 else 1}f} {self.unit}/s")
        return ", ".join(part for part in parts if part)


@dataclass
class Job:
    """A job that has started. words: what it does; began, ended: in seconds of the monotonic clock."""

    id: int
    rule: str
    words: str
    log: str | None
    output: list[str]
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @classmethod
    def from_record(cls, record: logging.LogRecord) -> Self:
        """Return the job of a JOB_INFO event."""
        facts = record.__dict__
        log = facts["log"][0] if facts["log"] else None
        words = facts["rule_msg"] or facts["rule_name"].replace("_", " ")
        return cls(facts["jobid"], facts["rule_name"], words, log, list(facts["output"]))

    def seconds(self) -> float:
        """Return how long the job took, or has taken so far."""
        return (self.ended or time.monotonic()) - self.began

    @property
    def progress_file(self) -> Path | None:
        """Return the file in which the step says how far it is, as the rules name it."""
        return Path(f"{self.log}.progress") if self.log else None

    def progress(self) -> Progress | None:
        """Return how far the step is; None if it does not say."""
        if self.progress_file is None:
            return None
        try:
            return Progress(**json.loads(self.progress_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def notes(self) -> list[str]:
        """Return what the step warns of: the lines of its log that begin with `Warning: `."""
        if self.log is None:
            return []
        try:
            lines = Path(self.log).read_text("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if line.startswith(WARNING)]

    def end(self) -> None:
        """Note the time, and remove what a killed step left."""
        self.ended = time.monotonic()
        if self.progress_file is not None:
            self.progress_file.unlink(missing_ok=True)


class Run:
    """The jobs of a run. expected: number of jobs by rule; failed: numbers of jobs whose last try failed."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.expected: dict[str, int] = {}
        self.running: dict[int, Job] = {}
        self.finished: list[Job] = []
        self.failed: set[int] = set()
        self.stopping = False
        self.end_guess: float | None = None
        self.guessed = 0.0

    @property
    def total(self) -> int:
        """Return the number of jobs of the run."""
        return sum(self.expected.values())

    def plan(self, counts: Mapping[str, int]) -> None:
        """Take the number of jobs of each rule. The rule `all` is no step."""
        self.expected = {rule: count for rule, count in counts.items() if rule not in ("total", "all")}

    def leave_out(self, job: Job) -> None:
        """Do not count a job that turns out to be no step."""
        if job.rule in self.expected:
            self.expected[job.rule] -= 1

    def start(self, job: Job) -> None:
        """Add a job that starts, perhaps not for the first time."""
        self.failed.discard(job.id)
        self.running[job.id] = job

    def finish(self, number: int) -> Job | None:
        """Note that a job ended well; return it."""
        job = self.running.pop(number, None)
        if job is not None:
            job.end()
            self.finished.append(job)
        return job

    def fail(self, number: int) -> Job | None:
        """Note that a job failed; return it."""
        self.failed.add(number)
        job = self.running.pop(number, None)
        if job is not None:
            job.end()
        return job

    def end(self) -> None:
        """Remove the progress files of all jobs that have not ended."""
        for job in self.running.values():
            job.end()

    def done_text(self) -> str:
        """Return how many steps are done, in words."""
        if not self.total:
            return "no step has run"
        return f"{len(self.finished)} of {steps(self.total)} done"

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    def shown_seconds(self) -> float | None:
        """Return the remaining seconds without jumps: each new guess moves the former one by a part."""
        left, now = self.remaining_seconds(), self.elapsed()
        if left is None:
            return None
        if self.end_guess is None:
            self.end_guess = now + left
        part = 1 - math.exp(-(now - self.guessed) / SMOOTHING_SECONDS)
        self.end_guess += part * (now + left - self.end_guess)
        self.guessed = now
        return max(0.0, self.end_guess - now)

    def remaining_seconds(self) -> float | None:
        """Return about how long the rest of the run takes; None while that would be a wild guess.

        A rule's jobs are expected to take as long as those that ended. Where none has, the typical time is
        scaled by how this run's other jobs compare with theirs.
        """
        # The panel asks from a thread of its own, while jobs start and end.
        finished, running = list(self.finished), list(self.running.values())
        seen: dict[str, list[float]] = defaultdict(list)
        for job in finished:
            seen[job.rule].append(job.seconds())
        if not seen:
            return None
        known = {rule: sum(seconds) / len(seconds) for rule, seconds in seen.items()}
        typical = sum(_typical(job.rule) for job in finished)
        if typical < ENOUGH_SECONDS:
            return None
        scale = sum(job.seconds() for job in finished) / typical
        waiting = Counter(self.expected)
        waiting.subtract(Counter(job.rule for job in finished))
        waiting.subtract(Counter(job.rule for job in running))
        work = sum(
            count * known.get(rule, scale * _typical(rule)) for rule, count in waiting.items() if count > 0
        )
        longest = 0.0
        for job in running:
            expected = known.get(job.rule, scale * _typical(job.rule))
            progress, spent = job.progress(), job.seconds()
            left = max(expected - spent, 0.1 * spent)
            if progress is not None and progress.whole and progress.fraction > 0.05:
                left = spent / progress.fraction - spent
            work, longest = work + left, max(longest, left)
        spent = sum(job.seconds() for job in [*finished, *running])
        at_once = max(1.0, spent / self.elapsed())
        return max(longest, work / at_once)


def _typical(rule: str) -> float:
    return TYPICAL_SECONDS.get(rule, OTHER_SECONDS)


def steps(number: int) -> str:
    """Return a number of steps in words."""
    return "1 step" if number == 1 else f"{number} steps"


def duration(seconds: float) -> str:
    """Return a duration as a clock shows it: `0:07`, `12:30`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


def about(seconds: float) -> str:
    """Return a duration in round words: `under a minute`, `about 4 min`, `about 2 h 10 min`."""
    minutes = round(seconds / 60)
    if seconds < 50:
        return "under a minute"
    if minutes < 60:
        return f"about {max(1, minutes)} min"
    return f"about {minutes // 60} h {minutes % 60 // 10 * 10} min".removesuffix(" 0 min")
