"""Specs, events and sessions, and the steps from a raw log to windows."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factories.manifests import NO_FIELDS, events_manifest, sessions_manifest
from rabbithole.artifacts.data import EventsManifest, Fields, SessionsManifest
from rabbithole.io.parts import manifest_path
from rabbithole.sessions.session_task import session_schema
from rabbithole.specs.data import (
    EventsSpec,
    SessionsPurpose,
    SessionsSpec,
    SparkOptions,
    SplitSpec,
    WindowsSpec,
)

BEGIN = dt.datetime(2015, 6, 1, tzinfo=dt.UTC)
"""The time of minute 0 of `event` and of the first step of `session`."""

ANY_PURPOSE = SessionsPurpose(buyers=False, keep_open=True)
"""A purpose for which no log is refused."""

BY_HASH = SplitSpec(by="hash", shares=(0.5, 0.25, 0.25))
BY_TIME = SplitSpec(by="time", shares=(0.5, 0.25, 0.25))

EVENT_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("event", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("cost", pa.float64()),
        ("position", pa.int64()),
    ]
)

Row = dict[str, Any]


def events_spec(format: str, source: Path, **changes: Any) -> EventsSpec:
    """Return the spec of a raw log without a bad line, with some entries changed."""
    values: Row = {"max_rejected": 0.0, "drop_duplicates": True}
    return EventsSpec(format=format, source=str(source), **values | changes)


def sessions_spec(**changes: Any) -> SessionsSpec:
    """Return the spec of sessions by visitor, split by time, with some entries changed."""
    values: Row = {
        "by": "visitor",
        "gap_minutes": None,
        "cost": "event",
        "open_horizon_hours": 0.5,
        "until": "purchase",
        "minimum_events": 1,
        "sample": 1.0,
        "split": BY_TIME,
        "seed": 0,
    }
    return SessionsSpec(**values | changes)


def windows_spec(**changes: Any) -> WindowsSpec:
    """Return the spec of windows of all fields, with some entries changed."""
    values: Row = {
        "length": 100,
        "minimum_item_count": 1,
        "fields": None,
        "timezone": "UTC",
        "keep_open": False,
    }
    return WindowsSpec(**values | changes)


def build(
    folder: Path,
    spark: SparkOptions,
    *,
    events: EventsSpec | None = None,
    sessions: SessionsSpec | None = None,
    windows: WindowsSpec | None = None,
    purpose: SessionsPurpose = ANY_PURPOSE,
    storage: str | None = None,
) -> Path:
    """Run the steps whose specs are set, from a raw log to windows, and return the folder.

    Each step reads and writes `events`, `rejected`, `sessions` and `windows` in the folder. storage: the
    address at which their data lie, None: in the folder.
    """
    # The steps are imported where they run, so that tests of training don't wait for PySpark.
    if events is not None:
        from rabbithole.ingest.build import build_events

        output, rejected = folder / "events", folder / "rejected"
        build_events(events, output=output, rejected=rejected, spark=spark, storage=storage)
    if sessions is not None:
        from rabbithole.sessions.build import build_sessions

        output = folder / "sessions"
        source = folder / "events"
        build_sessions(sessions, events=source, output=output, spark=spark, purpose=purpose, storage=storage)
    if windows is not None:
        from rabbithole.windows.build import build_windows

        source, output = folder / "sessions", folder / "windows"
        build_windows(windows, sessions=source, output=output, spark=spark, storage=storage)
    return folder


def event(key: str, minute: float, kind: str = "view", **changes: Any) -> Row:
    """Return an event so many minutes after `BEGIN`, by the visitor `key`."""
    row = {
        "session_id": key,
        "visitor": key,
        "timestamp": BEGIN + dt.timedelta(minutes=minute),
        "event": kind,
        "item": "1",
        "category": None,
        "cost": None,
    }
    return row | changes


def filler_events(*hours: int) -> list[Row]:
    """Return one view by a visitor of its own at each hour, so that no split is empty."""
    return [event(f"9{hour:04}", 60 * hour) for hour in hours]


def write_events(
    folder: Path, rows: Sequence[Row], *, parts: int = 2, further: Fields = NO_FIELDS, **manifest: Any
) -> Path:
    """Write events in the order of the log to `folder`/events, each key in one part; return that folder.

    further: further columns of the rows; manifest: entries of its manifest that differ from the usual ones.
    """
    columns = [pa.field(name, pa.string()) for name in further.categorical]
    columns += [pa.field(name, pa.float64()) for name in further.numeric]
    schema = pa.schema([*EVENT_SCHEMA, *columns])
    rows = [{"position": position} | row for position, row in enumerate(rows)]
    output = folder / "events"
    output.mkdir(parents=True)
    keys = sorted({row["session_id"] for row in rows})
    for part in range(parts):
        chosen = [row for row in rows if keys.index(row["session_id"]) % parts == part]
        chosen.sort(key=lambda row: (row["session_id"], row["timestamp"], row["position"]))
        if chosen:
            pq.write_table(pa.Table.from_pylist(chosen, schema), output / f"part-{part:05}.parquet")
    first, last = (limit(row["timestamp"] for row in rows) for limit in (min, max))
    kinds, visitors = [row["event"] for row in rows], {row["visitor"] for row in rows} - {None}
    values: Row = {
        "files": EventsManifest.files_of(output),
        "rows": len(rows),
        "sessions": len(keys),
        "visitors": len(visitors) or None,
        "events": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "items": len({row["item"] for row in rows} - {None}),
        "share_with_category": sum(row["category"] is not None for row in rows) / len(rows),
        "share_with_cost": sum(row["cost"] is not None for row in rows) / len(rows),
        "first": first.isoformat(),
        "last": last.isoformat(),
        "fields": dict.fromkeys(further.categorical, "category") | dict.fromkeys(further.numeric, "number"),
        "last_microseconds": (last - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1),
    }
    events_manifest(**values | manifest).write(manifest_path(output))
    return output


def build_sessions(
    folder: Path,
    events: Sequence[Row],
    spark: SparkOptions,
    *,
    parts: int = 2,
    further: Fields = NO_FIELDS,
    purpose: SessionsPurpose = ANY_PURPOSE,
    **changes: Any,
) -> tuple[dict[str, Row], SessionsManifest]:
    """Build sessions from events and a changed `sessions_spec`; return them by id, and their manifest."""
    write_events(folder, events, parts=parts, further=further)
    output = build(folder, spark, sessions=sessions_spec(**changes), purpose=purpose) / "sessions"
    rows = {row["session_id"]: row for row in pq.read_table(output).to_pylist()}
    return rows, SessionsManifest.of(output)


def session(name: str, split: str, items: list[str | None], **changes: Any) -> Row:
    """Return a session of views, ten seconds apart, without cost or category."""
    steps = len(items)
    row = {
        "session_id": name,
        "visitor": None,
        "split": split,
        "buyer": False,
        "open": False,
        "events": steps,
        "timestamp": [BEGIN + dt.timedelta(hours=12, seconds=10 * step) for step in range(steps)],
        "event": ["view"] * steps,
        "item": items,
        "category": [None] * steps,
        "cost": [None] * steps,
    } | changes
    return row | {"start": row["timestamp"][0], "end": row["timestamp"][-1]}


def write_sessions(
    folder: Path, rows: Sequence[Row], *, further: Fields = NO_FIELDS, **manifest: Any
) -> Path:
    """Write sessions in two parts to `folder`/sessions, with their manifest; return that folder.

    further: further list columns of the rows; manifest: entries of the manifest that differ.
    """
    output = folder / "sessions"
    output.mkdir(parents=True, exist_ok=True)
    for part in range(2):
        table = pa.Table.from_pylist(list(rows[part::2]), session_schema(further))
        pq.write_table(table, output / f"part-{part:05}.parquet")
    steps = sum(row["events"] for row in rows)
    values: Row = {
        "files": SessionsManifest.files_of(output),
        "rows": len(rows),
        "events": {"total": steps, "kept": steps, "cut": 0, "dropped": 0},
        "fields": further,
    }
    sessions_manifest(**values | manifest).write(manifest_path(output))
    return output
