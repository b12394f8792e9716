"""From events to encoded sessions that a packaged model scores; one task per part, as in training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from rabbithole.artifacts.data import Fields
from rabbithole.io.asof import AsOf
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter
from rabbithole.sessions.counts import Counts
from rabbithole.sessions.session_task import HISTORY, SessionPlan, make_sessions, session_schema
from rabbithole.specs.data import SessionsSpec, SplitSpec
from rabbithole.windows.build import window_schema
from rabbithole.windows.encoder import Encoder
from rabbithole.windows.fields import MISSING, STANDARD, UNSEEN

LABELS = ("visitor", "start", "end", "open")
"""Columns of a session beside those of its window."""


def encoded_schema(fields: Fields, *, history: bool) -> pa.Schema:
    """Return the schema of encoded sessions: their windows, with history or not, and `LABELS`."""
    labels = (session_schema(STANDARD).field(name) for name in LABELS)
    return pa.schema([*window_schema(fields, history=history), *labels])


class PredictionCounts(Counts):
    """What became of sessions.

    not_scored: by reason; steps: in windows; missing, unseen: by field; parts: files by name.
    """

    sessions: int = 0
    running: int = 0
    bought: int = 0
    not_scored: dict[str, int] = Field(default={})
    steps: int = 0
    missing: dict[str, int] = Field(default={})
    unseen: dict[str, int] = Field(default={})
    parts: dict[str, WrittenFile] = Field(default={})


def prediction_plan(
    spec: SessionsSpec, *, open_from: int, prices: AsOf | None, further: Fields
) -> SessionPlan:
    """Return how sessions are made for a prediction: as in training, but all of them, and without a split."""
    everything = spec.model_copy(
        update={"sample": 1.0, "split": SplitSpec(by="hash", shares=(0.8, 0.1, 0.1)), "seed": 0}
    )
    return SessionPlan(everything, open_from=open_from, prices=prices, further=further)


@dataclass(frozen=True)
class PredictionTask:
    """Turns tables of events into a part of encoded sessions."""

    folder: Path
    plan: SessionPlan
    encoder: Encoder

    def __call__(self, index: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Write the part with an index and yield its `PredictionCounts` as a report.

        tables: as in `event_tables.map_sessions`.
        """
        counts = PredictionCounts()
        fields, history = self.encoder.fitted.fields, self.plan.spec.history > 0
        with PartWriter(self.folder, index, encoded_schema(fields, history=history)) as part:
            for events in tables:
                encoded, of_table = encode_sessions(events, self.plan, self.encoder)
                part.write(encoded)
                counts += of_table
        yield (counts + PredictionCounts(parts=part.written)).to_report()


def encode_sessions(
    events: pa.Table, plan: SessionPlan, encoder: Encoder
) -> tuple[pa.Table, PredictionCounts]:
    """Return the windows of events, as `make_sessions` takes them, with `LABELS`, and the counts of both."""
    sessions, made = make_sessions(events, plan)
    not_scored = {reason: excluded.sessions for reason, excluded in made.excluded.items()}
    not_scored = {"bought_at_once": made.dropped, **not_scored}
    counts = PredictionCounts(not_scored={reason: count for reason, count in not_scored.items() if count})
    history = plan.spec.history > 0
    if len(sessions) == 0:
        return encoded_schema(encoder.fitted.fields, history=history).empty_table(), counts
    windows = encoder.encode_last(sessions)
    labels = ("session_id", "buyer", "events", *([HISTORY] if history else []), *LABELS)
    columns = {name: sessions[name] for name in labels}
    encoded = pa.table(columns | {name: windows[name] for name in windows.column_names})
    codes = {
        name: pc.list_flatten(windows[name]).combine_chunks().to_numpy()
        for name in encoder.fitted.fields.categorical
    }
    numbers = {name: pc.list_flatten(windows[name]) for name in encoder.fitted.fields.numeric}
    counts += PredictionCounts(
        sessions=len(sessions),
        running=_count(sessions["open"]),
        bought=_count(sessions["buyer"]),
        steps=pc.sum(pc.list_value_length(windows[windows.column_names[0]])).as_py(),
        missing={name: int(np.sum(values == MISSING)) for name, values in codes.items()}
        | {name: values.null_count for name, values in numbers.items()},
        unseen={name: int(np.sum(values == UNSEEN)) for name, values in codes.items()},
    )
    return encoded, counts


def _count(mask: pa.ChunkedArray) -> int:
    total: int = pc.sum(mask, min_count=0).as_py()
    return total
