"""The Spark task that turns tables of events into one part of sessions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from rabbithole.artifacts.data import ExclusionCounts, Fields, SessionEventCounts
from rabbithole.io.asof import AsOf
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE, PartWriter
from rabbithole.io.storage import Folder
from rabbithole.sessions.counts import Counts
from rabbithole.sessions.cutting import SessionCut, cut_sessions, session_visitors
from rabbithole.sessions.histories import Histories, find_histories
from rabbithole.sessions.splitting import SPLITS, split_at_random, split_by_time
from rabbithole.specs.data import SESSIONS_AGO, SessionsSpec

TIME = pa.timestamp("us", "UTC")

LISTS = {
    "timestamp": TIME,
    "event": pa.string(),
    "item": pa.string(),
    "category": pa.string(),
    "cost": pa.float64(),
}
"""Columns that hold a list per session, with an entry per kept event. A log's further fields follow them."""


HISTORY = "history"
"""Column with the number of leading entries of the lists that are of the visitor's earlier sessions."""

MAX_SESSIONS_AGO = 9
"""Events of this many sessions ago and more share one value."""


def ago_value(sessions: int) -> str:
    """Return the value of `SESSIONS_AGO` for an event. sessions: how many sessions ago it was."""
    return f"{MAX_SESSIONS_AGO}+" if sessions >= MAX_SESSIONS_AGO else str(sessions)


def session_schema(further: Fields) -> pa.Schema:
    """Return the schema of sessions with further fields; `SESSIONS_AGO` among them means history."""
    return pa.schema(
        [
            ("session_id", pa.string()),
            ("visitor", pa.string()),
            ("start", TIME),
            ("end", TIME),
            ("split", pa.string()),
            ("buyer", pa.bool_()),
            ("open", pa.bool_()),
            ("events", pa.int32()),
            *([(HISTORY, pa.int32())] if SESSIONS_AGO in further.categorical else []),
            *((name, pa.list_(kind)) for name, kind in LISTS.items()),
            *((name, pa.list_(pa.string())) for name in further.categorical),
            *((name, pa.list_(pa.float64())) for name in further.numeric),
        ]
    )


def written_schema(further: Fields) -> pa.Schema:
    """Return the schema of sessions in memory while they are written: strings are dictionaries."""
    coded = {*DICTIONARY_COLUMNS, *further.categorical}
    return pa.schema(
        [
            pa.field(field.name, pa.list_(DICTIONARY_TYPE)) if field.name in coded else field
            for field in session_schema(further)
        ]
    )


@dataclass(frozen=True)
class SessionPlan:
    """What every task must know.

    open_from: a session whose last kept event is at or after this time is open (microseconds since 1970);
    bounds: int64 [2], when valid and test begin, None for a split at random; prices: None where an event's
    own cost counts; further: the log's further fields.
    """

    spec: SessionsSpec
    open_from: int
    further: Fields
    bounds: NDArray[np.int64] | None = None
    prices: AsOf | None = None

    @property
    def fields(self) -> Fields:
        """Return the further fields of the sessions: the log's, and `SESSIONS_AGO` with history."""
        if not self.spec.history:
            return self.further
        return Fields(categorical=(*self.further.categorical, SESSIONS_AGO), numeric=self.further.numeric)


class SessionGroup(NamedTuple):
    """The number of sessions of one split, label, openness and length. split: index into `SPLITS`."""

    split: int
    buyer: bool
    open: bool
    length: int
    sessions: int


class SessionCounts(Counts):
    """Where sessions and events went.

    dropped: sessions without an event before a purchase; groups: the sessions that were written, several
    groups may be alike; parts: the files that were written, by name.
    """

    events: SessionEventCounts = SessionEventCounts(total=0, kept=0, cut=0, dropped=0)
    dropped: int = 0
    excluded: dict[str, ExclusionCounts] = Field(default={})
    groups: list[SessionGroup] = Field(default=[])
    parts: dict[str, WrittenFile] = Field(default={})


@dataclass(frozen=True)
class SessionTask:
    """Turns tables of events into a part of sessions."""

    folder: Folder
    plan: SessionPlan

    def __call__(self, index: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Write the part with an index and yield its `SessionCounts` as a report.

        tables: sorted, each with all events of its sessions; see `event_tables.map_sessions`.
        """
        counts = SessionCounts()
        with PartWriter(self.folder, index, written_schema(self.plan.fields)) as part:
            for events in tables:
                sessions, of_table = make_sessions(events, self.plan)
                part.write(sessions)
                counts += of_table
        yield (counts + SessionCounts(parts=part.written)).to_report()


def make_sessions(events: pa.Table, plan: SessionPlan) -> tuple[pa.Table, SessionCounts]:
    """Return the sessions of events, a row each, and the counts of both.

    events: sorted, all of each session; with history, all of each visitor, and the column `HISTORY_KEY` where
    sessions are the log's own.
    """
    spec = plan.spec
    cut = cut_sessions(events, spec)
    rows = np.flatnonzero(cut.kept > 0)
    key = events["session_id"].take(pa.array(cut.offsets[:-1][rows])).combine_chunks()
    visitor = session_visitors(events["visitor"], cut).take(pa.array(rows))
    name = key
    if spec.gap_minutes is not None:
        name = pc.binary_join_element_wise(key, pa.array(cut.number[rows]).cast(pa.string()), "-")
    start, length, buyer = cut.start_times[rows], cut.kept[rows], cut.buyer[rows]
    end = cut.times[cut.offsets[:-1][rows] + length - 1]
    # Only kept events decide. With later ones, a buyer's purchase would decide, and the flag would leak it.
    still_open = end >= plan.open_from
    if plan.bounds is None:
        split = split_at_random(pc.coalesce(visitor, key), spec.split, spec.seed)
    else:
        split = split_by_time(start, plan.bounds)
    columns = {
        "session_id": name,
        "visitor": visitor,
        "start": _timestamps(start),
        "end": _timestamps(end),
        "split": pa.array(SPLITS).take(pa.array(split)),
        "buyer": pa.array(buyer),
        "open": pa.array(still_open),
        "events": pa.array(length.astype(np.int32)),
    }
    if spec.history:
        histories = find_histories(events, cut, rows, spec.history)
        columns[HISTORY] = pa.array(histories.lengths.astype(np.int32))
        columns |= _lists_with_history(events, cut, rows, plan, histories)
    else:
        columns |= _lists(events, cut, rows, plan)
    sessions = pa.table(columns)
    counts = SessionCounts(
        events=_event_counts(cut, rows),
        dropped=int(cut.dropped.sum()),
        excluded={reason: _exclusion_counts(cut, mask) for reason, mask in cut.excluded.items()},
        groups=_groups(split, buyer, still_open, length),
    )
    return sessions, counts


def _timestamps(times: NDArray[np.int64]) -> pa.Array:
    return pa.array(times, pa.timestamp("us")).cast(TIME)


def _lists(
    events: pa.Table, cut: SessionCut, rows: NDArray[np.int64], plan: SessionPlan
) -> dict[str, pa.ListArray]:
    """Return the kept events of the sessions `rows` as lists, by column."""
    length = cut.kept[rows]
    offsets = pa.array(np.concatenate([[0], np.cumsum(length)]).astype(np.int32))
    keep = pa.array(cut.keep)
    flat = {name: events[name].filter(keep).combine_chunks() for name in (*LISTS, *plan.further.names)}
    if plan.prices is not None:
        session_start = np.repeat(cut.start_times[rows], length)
        flat["cost"] = plan.prices.lookup(flat["item"], session_start, before=True)
    return {name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()}


def _lists_with_history(
    events: pa.Table, cut: SessionCut, rows: NDArray[np.int64], plan: SessionPlan, histories: Histories
) -> dict[str, pa.ListArray]:
    """Return history and kept events of the sessions `rows` as lists, by column."""
    earlier = histories.lengths
    offsets = np.append(0, np.cumsum(earlier + cut.kept[rows])).astype(np.int64)
    places = np.arange(earlier.sum()) - np.repeat(np.cumsum(earlier) - earlier, earlier)
    places += np.repeat(histories.begins, earlier)
    own = np.flatnonzero(cut.keep)
    event = np.concatenate([histories.order[places], own])
    session = np.concatenate([np.repeat(rows, earlier), np.repeat(rows, cut.kept[rows])])
    order = np.lexsort((np.concatenate([places, len(events) + own]), session))
    event, session = event[order], session[order]
    index = pa.array(event)
    flat = {name: events[name].take(index).combine_chunks() for name in (*LISTS, *plan.further.names)}
    number = np.repeat(histories.number, cut.lengths)
    ago = np.minimum(histories.number[session] - number[event], MAX_SESSIONS_AGO).astype(np.int32)
    values = pa.array([ago_value(sessions) for sessions in range(MAX_SESSIONS_AGO + 1)])
    flat[SESSIONS_AGO] = pa.DictionaryArray.from_arrays(pa.array(ago), values).cast(DICTIONARY_TYPE)
    bounds = pa.array(offsets.astype(np.int32))
    return {name: pa.ListArray.from_arrays(bounds, values) for name, values in flat.items()}


def _event_counts(cut: SessionCut, rows: NDArray[np.int64]) -> SessionEventCounts:
    return SessionEventCounts(
        total=len(cut.times),
        kept=int(cut.kept.sum()),
        cut=int((cut.lengths - cut.kept)[rows].sum()),
        dropped=int(cut.lengths[cut.dropped].sum()),
    )


def _exclusion_counts(cut: SessionCut, mask: NDArray[np.bool_]) -> ExclusionCounts:
    return ExclusionCounts(
        sessions=int(mask.sum()), buyers=int(cut.buyer[mask].sum()), events=int(cut.lengths[mask].sum())
    )


def _groups(
    split: NDArray[np.int64],
    buyer: NDArray[np.bool_],
    still_open: NDArray[np.bool_],
    length: NDArray[np.int64],
) -> list[SessionGroup]:
    # Each group as one number: sorting rows of four numbers takes ten times longer.
    groups, sessions = np.unique(length * 12 + split * 4 + buyer * 2 + still_open, return_counts=True)
    columns = (groups % 12 // 4, groups % 4 // 2 == 1, groups % 2 == 1, groups // 12, sessions)
    return [SessionGroup(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
