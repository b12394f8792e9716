"""Scores parts of encoded sessions in Spark's workers: one task per part, a model per worker, on one core."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field
from pyspark.sql import SparkSession

from rabbithole.errors import UserError, known_cause
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.sessions.counts import Counts
from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.windows.arrays import read_windows
from rabbithole.windows.fields import MISSING, UNSEEN

if TYPE_CHECKING:
    from rabbithole.serving.scoring import Scorer

PREDICTION_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("start", pa.timestamp("us", "UTC")),
        ("end", pa.timestamp("us", "UTC")),
        ("events", pa.int32()),
        ("state", pa.string()),
        ("bought", pa.bool_()),
        ("probability", pa.float64()),
        ("rank", pa.int64()),
        ("percentile", pa.float64()),
        ("unseen", pa.float64()),
        ("audience", pa.string()),
        ("model", pa.string()),
    ]
)
"""One row per session. state: `ended` (does it hold a purchase?) or `running` (will it still buy?); bought:
whether the log shows a purchase, which the score never uses; rank, percentile: against the model's own test
scores; unseen: share of its values that are unknown to the model; audience: `contact`, `hold_out` or null;
model: the model's digest."""


class ScoringReport(Counts):
    """What a task did. parts: files by name; errors: for the user, of a model that cannot score."""

    parts: dict[str, WrittenFile] = Field(default={})
    errors: list[str] = Field(default=[])


def score_parts(
    session: SparkSession, folder: ModelFolder, parts: Sequence[Path], output: Path
) -> list[Path]:
    """Score encoded parts and return the files of their rows (`PREDICTION_SCHEMA`, no audience), in order.

    output: an existing folder; driver and workers share it, the model's folder and the parts. Raises
    `UserError` where the model cannot score them.
    """
    if not parts:
        return []
    # Workers run in folders of their own.
    task = ScoringTask(replace(folder, path=folder.path.absolute()), parts, output)
    with watch_tasks(session, Stage("scoring")):
        reports = map_indexed(session, len(parts), task, REPORT_SCHEMA)
    report = ScoringReport.total_of_reports(reports)
    if report.errors:
        raise UserError(report.errors[0])
    return [output / name for name in sorted(report.parts)]


@dataclass(frozen=True)
class ScoringTask:
    """Scores the part of encoded sessions with an index."""

    folder: ModelFolder
    parts: Sequence[Path]
    output: Path

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Write the scored part and yield its file as a report."""
        try:
            scorer = _scorer(self.folder.path, self.folder.manifest.digest)
            rows = scored_rows(self.folder, scorer, self.parts[index])
        except Exception as error:
            known = known_cause(error)
            if known is None:
                raise
            yield ScoringReport(errors=[str(known)]).to_report()
            return
        with PartWriter(self.output, index, PREDICTION_SCHEMA) as part:
            part.write(rows)
        yield ScoringReport(parts=part.written).to_report()


@cache
def _scorer(path: Path, digest: str) -> "Scorer":
    """Return the model of a folder, which a worker keeps for its next tasks.

    Raises `UserError` where another model has taken the folder's place since the log was encoded.
    """
    # Each core has a worker. A test's scores are those of one core, too, and JAX reads this when it starts.
    os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = "1"
    # On a GPU, the first worker would take most of the memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from rabbithole.serving.scoring import Scorer

    folder = load_folder(path)
    if folder.manifest.digest != digest:
        raise UserError(f"{path} holds another model than when the log was read. Score the log again.")
    return Scorer.load(folder)


def scored_rows(folder: ModelFolder, scorer: "Scorer", path: Path) -> pa.Table:
    """Return the scored sessions of one encoded part, sorted by session id."""
    windows = read_windows([path], folder.encoder.fitted.fields)
    labels = pq.read_table(path, columns=["session_id", "visitor", "start", "end", "open"])
    labels = labels.take(pc.array_sort_indices(labels["session_id"].combine_chunks()))
    running = labels["open"].to_numpy(zero_copy_only=False).astype(bool)
    probability = scorer.probabilities(windows, running)
    percentile, rank = scorer.percentiles(probability, windows.events, running)
    rows = len(windows)
    columns = {
        "session_id": windows.session_id,
        "visitor": labels["visitor"],
        "start": labels["start"],
        "end": labels["end"],
        "events": pa.array(windows.events),
        "state": pa.array(np.where(running, "running", "ended")),
        "bought": pa.array(windows.buyer.astype(bool)),
        "probability": pa.array(probability),
        "rank": pa.array(rank),
        "percentile": pa.array(percentile, from_pandas=True),
        "unseen": pa.array(unseen_shares(windows.codes, windows.offsets)),
        "audience": pa.nulls(rows, pa.string()),
        "model": pa.repeat(folder.manifest.digest, rows),
    }
    return pa.table(columns).cast(PREDICTION_SCHEMA)


def unseen_shares(codes: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each session's values that are unknown to the model, float64 [n].

    codes: int32 [total, fields]; values that the log does not hold do not count.
    """
    known = (codes != MISSING).sum(axis=1)
    unseen = (codes == UNSEEN).sum(axis=1)
    totals = np.add.reduceat(known, offsets[:-1])
    return np.add.reduceat(unseen, offsets[:-1]) / np.maximum(totals, 1)
