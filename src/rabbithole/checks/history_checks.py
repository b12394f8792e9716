"""Leak checks of histories: what is known of a visitor had happened before the session began."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.checks import LeakCheck
from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.checks.split_checks import FOLDERS, exceptions, inside_history, read_windows
from rabbithole.sessions.session_task import HISTORY

SAMPLE_SESSIONS = 20_000
"""Sessions whose history is compared with the events of the log."""


def histories(events: Path, sessions: Path, windows: Path, manifest: SessionsManifest) -> Iterator[LeakCheck]:
    """Check that histories hold earlier events of the same visitor alone, and that windows count them right.

    Every event of a history must be more than the gap before its session: one of the session itself, or of a
    later one, is not. A log's own sessions have no gap and may overlap: there it must be before the session.
    """
    if not manifest.history:
        return
    gap = round((manifest.gap_minutes or 0.0) * 60e6)
    late = foreign = checked = 0
    for number, path in enumerate(SessionsManifest.parts(sessions)):
        table = pq.read_table(path, columns=["visitor", "start", "timestamp", HISTORY]).combine_chunks()
        session, time = _history_times(table)
        start = table["start"].cast(pa.int64()).to_numpy()
        late += int((time >= start[session] - gap).sum())
        checked += len(time)
        if number == 0:
            sample = session < SAMPLE_SESSIONS
            visitors = table["visitor"].take(pa.array(session[sample]))
            foreign = _foreign(events, visitors, time[sample], by=manifest.by)
    yield LeakCheck(
        name="A visitor's history came before the session began"
        if manifest.gap_minutes is None
        else "A visitor's earlier sessions ended before this one began",
        holds=late == foreign == 0,
        detail=f"{exceptions(late, checked, 'event')}; in a sample, {foreign:,} of other visitors",
    )
    wrong = total = 0
    counts = pq.read_table(SessionsManifest.parts(sessions), columns=["session_id", HISTORY])
    for split in FOLDERS:
        if not WindowsManifest.parts(windows, split):
            continue
        shown = read_windows(windows, split, ["session_id", HISTORY])
        both = shown.join(counts, "session_id", right_suffix=" of the session")
        differ = pc.not_equal(both[HISTORY], both[f"{HISTORY} of the session"])
        wrong += int(pc.sum(differ, min_count=0).as_py())
        total += len(shown)
    yield LeakCheck(
        name="A window's history is that of its session",
        holds=wrong == 0,
        detail=exceptions(wrong, total, "window"),
    )


def _history_times(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the session's row and the time (microseconds since 1970) of each event of the histories."""
    lists = table["timestamp"].combine_chunks()
    inside, _ = inside_history(table, lists)
    session = np.repeat(np.arange(len(table)), lists.value_lengths().to_numpy())
    return session[inside], lists.flatten().cast(pa.int64()).to_numpy()[inside]


def _foreign(events: Path, visitors: pa.ChunkedArray, time: NDArray[np.int64], *, by: str) -> int:
    """Return how many of some events, by visitor and time, the log does not hold."""
    if not len(time):
        return 0
    wanted = pa.table({"visitor": visitors, "time": time})
    known = events_of_visitors(events, visitors.unique(), by=by)
    times = pa.table({"visitor": known["visitor"], "time": known["timestamp"].cast(pa.int64())})
    return len(wanted.join(times, ["visitor", "time"], join_type="left anti"))


def events_of_visitors(
    events: Path, visitors: pa.Array, columns: Sequence[str] = (), *, by: str = "session"
) -> pa.Table:
    """Return visitor, time and further columns of all events in the sessions of some visitors.

    by: as in `SessionsManifest`. A log's own session is that of the visitor whom its first event names; see
    `sessions.histories.with_history_key`.
    """
    parts = EventsManifest.parts(events)
    named = pc.field("visitor").isin(visitors)
    if by == "visitor":
        return pq.read_table(parts, columns=["visitor", "timestamp", *columns], filters=named)
    sessions = pq.read_table(parts, columns=["session_id"], filters=named)["session_id"].unique()
    known = pq.read_table(
        parts,
        columns=["session_id", "visitor", "timestamp", *columns],
        filters=pc.field("session_id").isin(sessions),
    )
    first = known.group_by("session_id", use_threads=False).aggregate(
        [("visitor", "first", pc.ScalarAggregateOptions(skip_nulls=False))]
    )
    joined = known.drop_columns("visitor").join(first, "session_id")
    return joined.rename_columns({"visitor_first": "visitor"}).select(["visitor", "timestamp", *columns])
