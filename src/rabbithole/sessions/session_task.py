"""The Spark task that turns one part of events into one part of sessions."""

from collections.abc import Iterator, Sequence
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
from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE, PartWriter, complete_groups, read_part
from rabbithole.io.storage import Folder, Part
from rabbithole.sessions.counts import Counts
from rabbithole.sessions.cutting import SessionCut, cut_sessions, session_visitors
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

HISTORY_ROWS = 50_000
"""Events that are turned into sessions with history at once, if no visitor has more."""

MAX_SESSIONS_AGO = 9
"""Events of this many sessions ago and more share one value."""


def ago_value(sessions: int) -> str:
    """Return the value of `SESSIONS_AGO` for an event of so many sessions ago."""
    return f"{MAX_SESSIONS_AGO}+" if sessions >= MAX_SESSIONS_AGO else str(sessions)


def with_sessions_ago(further: Fields) -> Fields:
    """Return further fields and the one that only sessions with history have."""
    return Fields(categorical=(*further.categorical, SESSIONS_AGO), numeric=further.numeric)


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
    """Return the same with strings as dictionaries, as they are in memory while they are written."""
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
        return with_sessions_ago(self.further) if self.spec.history else self.further


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


class SessionTask:
    """Turns the part of events with an index into a part of sessions."""

    def __init__(self, parts: Sequence[Part], folder: Folder, plan: SessionPlan) -> None:
        self.parts = parts
        self.folder = folder
        self.plan = plan

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Write the part and yield its `SessionCounts` as a report."""
        counts = SessionCounts()
        with PartWriter(self.folder, index, written_schema(self.plan.fields)) as part:
            for events in read_events(self.parts[index], self.plan):
                sessions, of_table = make_sessions(events, self.plan)
                part.write(sessions)
                counts += of_table
        yield (counts + SessionCounts(parts=part.written)).to_report()


def read_events(part: Part, plan: SessionPlan) -> Iterator[pa.Table]:
    """Yield the events of a part in tables that hold all events of each key.

    With history, each event may stand in many sessions, so fewer events are in memory at once.
    """
    batches = read_part(part, coded=plan.further.categorical)
    if not plan.spec.history:
        return complete_groups(batches, "session_id")
    slices = (
        batch.slice(start, HISTORY_ROWS) for batch in batches for start in range(0, len(batch), HISTORY_ROWS)
    )
    return complete_groups(slices, "session_id", HISTORY_ROWS)


def make_sessions(events: pa.Table, plan: SessionPlan) -> tuple[pa.Table, SessionCounts]:
    """Return the sessions of events (sorted, all of each key), a row each, and the counts of both."""
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
        own_begins = cut.offsets[:-1][rows]
        columns[HISTORY] = pa.array((own_begins - history_begins(cut, rows, spec.history)).astype(np.int32))
    sessions = pa.table(columns | _lists(events, cut, rows, plan))
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
    """Return the kept events of the sessions `rows` as lists, by column, with their history before them."""
    if plan.spec.history:
        return _lists_with_history(events, cut, rows, plan)
    length = cut.kept[rows]
    offsets = pa.array(np.concatenate([[0], np.cumsum(length)]).astype(np.int32))
    keep = pa.array(cut.keep)
    flat = {name: events[name].filter(keep).combine_chunks() for name in (*LISTS, *plan.further.names)}
    if plan.prices is not None:
        session_start = np.repeat(cut.start_times[rows], length)
        flat["cost"] = plan.prices.lookup(flat["item"], session_start, before=True)
    return {name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()}


def history_begins(cut: SessionCut, rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return the row at which the history of each session `rows` begins, int64 [n]; it ends at the session.

    All events of a key are those of one visitor, sorted by time, and a session begins more than the gap after
    the event before it. So every event before the session is of a session that ended before this one began.
    The history is uncut: it holds earlier purchases, and sessions that are themselves excluded.
    """
    first_of_visitor = cut.offsets[:-1][rows - cut.number[rows]]
    return np.maximum(first_of_visitor, cut.offsets[:-1][rows] - limit)


def _lists_with_history(
    events: pa.Table, cut: SessionCut, rows: NDArray[np.int64], plan: SessionPlan
) -> dict[str, pa.ListArray]:
    """Return history and kept events of the sessions `rows` as lists, by column."""
    own = cut.offsets[:-1][rows]
    begins = history_begins(cut, rows, plan.spec.history)
    earlier = own - begins
    offsets = np.append(0, np.cumsum(earlier + cut.kept[rows])).astype(np.int64)
    places = np.arange(earlier.sum()) - np.repeat(np.cumsum(earlier) - earlier, earlier)
    event = np.concatenate([np.repeat(begins, earlier) + places, np.flatnonzero(cut.keep)])
    session = np.concatenate([np.repeat(rows, earlier), np.repeat(rows, cut.kept[rows])])
    order = np.lexsort((event, session))
    event, session = event[order], session[order]
    index = pa.array(event)
    flat = {name: events[name].take(index).combine_chunks() for name in (*LISTS, *plan.further.names)}
    number = np.repeat(cut.number, cut.lengths)
    ago = np.minimum(cut.number[session] - number[event], MAX_SESSIONS_AGO).astype(np.int32)
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
