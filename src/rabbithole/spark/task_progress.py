"""How far Spark's tasks are: a thread of the driver asks Spark while a job runs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark import StatusTracker
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from rabbithole.progress import VARIABLE, Meter

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Stage:
    """A set of tasks. label: what they do; total: how much all of them do, in units (None: count tasks)."""

    label: str
    total: float | None = None
    unit: str = "tasks"


@contextmanager
def watch_tasks(session: SparkSession, *stages: Stage) -> Iterator[None]:
    """Report how far the tasks of the block are, which run in these stages, one after the other.

    A Connect client cannot see the tasks: nothing is reported there, nor where nobody waits.
    """
    if VARIABLE not in os.environ or is_remote():
        yield
        return
    ended = threading.Event()
    tracker = session.sparkContext.statusTracker()
    thread = threading.Thread(target=_poll, args=(tracker, stages, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _poll(tracker: StatusTracker, stages: tuple[Stage, ...], ended: threading.Event) -> None:
    """Report the tasks of the stage at work until the block ends."""
    meters: dict[int, Meter] = {}
    while not ended.wait(POLL_SECONDS):
        try:
            active = sorted(tracker.getActiveStageIds())
            info = tracker.getStageInfo(active[0]) if active else None
        except Exception:
            # The session ends. The step's own job reports the error better.
            return
        if info is None:
            continue
        if active[0] not in meters:
            stage = stages[min(len(meters), len(stages) - 1)]
            total = info.numTasks if stage.total is None else stage.total
            meters[active[0]] = Meter(total, stage.unit, label=stage.label)
        meter = meters[active[0]]
        meter.update(meter.total * info.numCompletedTasks / info.numTasks)
