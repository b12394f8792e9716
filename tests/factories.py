"""The one factory of test data: specs, and events, sessions and windows as folders with their manifests."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EncoderFile, EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.io.parts import manifest_path
from rabbithole.sessions.session_task import SESSION_SCHEMA
from rabbithole.specs.data import EventsSpec, SessionsSpec, SplitSpec, WindowsSpec
from rabbithole.specs.spark import SparkOptions
from rabbithole.windows.fields import CATEGORICAL, FIELDS, FIRST_VALUE, NUMERIC

SPLITS = ("train", "valid", "test")

BEGIN = dt.datetime(2015, 6, 1, tzinfo=dt.UTC)
"""The time of minute 0 of `event` and of the first step of `session`."""

BY_HASH = SplitSpec(by="hash", shares=(0.5, 0.25, 0.25))
BY_TIME = SplitSpec(by="time", shares=(0.5, 0.25, 0.25))

SIZES = {"event": 7, "item": 31, "category": 11, "hour": 28, "weekday": 11, "month": 17, "week": 57}
"""Codes of each categorical field: sizes that differ, so that a mix-up of fields shows."""

WINDOW_SCHEMA = pa.schema(
    [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
    + [(field, pa.list_(pa.int32())) for field in CATEGORICAL]
    + [(field, pa.list_(pa.float32())) for field in NUMERIC]
)

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
        "fields": FIELDS,
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
) -> Path:
    """Run the steps whose specs are set, from a raw log to windows, and return the folder.

    Each step reads and writes `events`, `rejected`, `sessions` and `windows` in the folder.
    """
    # The steps are imported where they run, so that tests of training don't wait for PySpark.
    if events is not None:
        from rabbithole.ingest.build import build_events

        build_events(events, output=folder / "events", rejected=folder / "rejected", spark=spark)
    if sessions is not None:
        from rabbithole.sessions.build import build_sessions

        build_sessions(sessions, events=folder / "events", output=folder / "sessions", spark=spark)
    if windows is not None:
        from rabbithole.windows.build import build_windows

        build_windows(windows, sessions=folder / "sessions", output=folder / "windows", spark=spark)
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


def write_events(folder: Path, rows: Sequence[Row], *, parts: int = 2, **manifest: Any) -> Path:
    """Write events in the order of the log to `folder`/events, each key in one part; return that folder.

    manifest: entries of its manifest that differ from the usual ones.
    """
    rows = [{"position": position} | row for position, row in enumerate(rows)]
    output = folder / "events"
    output.mkdir(parents=True)
    keys = sorted({row["session_id"] for row in rows})
    for part in range(parts):
        chosen = [row for row in rows if keys.index(row["session_id"]) % parts == part]
        chosen.sort(key=lambda row: (row["session_id"], row["timestamp"], row["position"]))
        if chosen:
            pq.write_table(pa.Table.from_pylist(chosen, EVENT_SCHEMA), output / f"part-{part:05}.parquet")
    last = max(row["timestamp"] for row in rows)
    values: Row = {
        "files": EventsManifest.digests(output),
        "rows": len(rows),
        "sessions": len(keys),
        "visitors": len(keys) if rows[0]["visitor"] else None,
        "last_microseconds": (last - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1),
    }
    events_manifest(**values | manifest).write(manifest_path(output))
    return output


def build_sessions(
    folder: Path, events: Sequence[Row], spark: SparkOptions, *, parts: int = 2, **changes: Any
) -> tuple[dict[str, Row], SessionsManifest]:
    """Build sessions from events and a changed `sessions_spec`; return them by id, and their manifest."""
    write_events(folder, events, parts=parts)
    output = build(folder, spark, sessions=sessions_spec(**changes)) / "sessions"
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


def write_sessions(folder: Path, rows: Sequence[Row], **manifest: Any) -> Path:
    """Write sessions in two parts to `folder`/sessions, with their manifest; return that folder."""
    output = folder / "sessions"
    output.mkdir(parents=True, exist_ok=True)
    for part in range(2):
        table = pa.Table.from_pylist(list(rows[part::2]), SESSION_SCHEMA)
        pq.write_table(table, output / f"part-{part:05}.parquet")
    steps = sum(row["events"] for row in rows)
    values: Row = {
        "files": SessionsManifest.digests(output),
        "rows": len(rows),
        "events": {"total": steps, "kept": steps, "cut": 0, "dropped": 0},
    }
    sessions_manifest(**values | manifest).write(manifest_path(output))
    return output


def events_manifest(**changes: Any) -> EventsManifest:
    """Return a valid manifest of a small Retailrocket log, with some entries changed."""
    values: Row = {
        "files": {},
        "format": "retailrocket",
        "rows": 5120,
        "sessions": 1511,
        "visitors": 1511,
        "items": 211,
        "events": {"addtocart": 60, "transaction": 43, "view": 5017},
        "first": "2015-05-03T03:00:04.384+00:00",
        "last": "2015-09-18T02:59:47.788+00:00",
        "last_microseconds": 1442545187788000,
        "lines": {"lines": 5131, "header": 1, "blank": 0, "rejected": 3, "duplicates": 7, "kept": 5120},
        "files_read": [
            {
                "file": "events.csv",
                "role": "events",
                "lines": 5131,
                "header": 1,
                "blank": 0,
                "rows": 5127,
                "rejected": 3,
            }
        ],
        "files_missing": [],
        "rejected": 3,
        "rejected_reasons": {"time is not a time": 3},
        "rejected_examples": [],
        "columns": {},
        "share_with_category": 0.91,
        "share_with_cost": 0.0,
        "share_category_in_tree": None,
        "category_tree": None,
        "category_roots": None,
        "category_history": None,
        "cost_history": None,
    }
    return EventsManifest.model_validate(values | changes)


def sessions_manifest(**changes: Any) -> SessionsManifest:
    """Return a valid manifest of sessions by visitor, split by time, with some entries changed."""
    values: Row = {
        "files": {},
        "rows": 1511,
        "sessions": 1511,
        "buyers": 41,
        "open": 12,
        "dropped": 3,
        "excluded": {},
        "splits": {
            "train": {"sessions": 1209, "buyers": 33, "open": 0},
            "valid": {"sessions": 151, "buyers": 4, "open": 0},
            "test": {"sessions": 151, "buyers": 4, "open": 12},
        },
        "split_by": "time",
        "shares": [0.8, 0.1, 0.1],
        "boundaries": [
            {"begins": "valid", "time": "2015-08-20T03:11:04.384+00:00", "visitors_on_both_sides": 0},
            {"begins": "test", "time": "2015-09-03T13:00:00.000+00:00", "visitors_on_both_sides": 17},
        ],
        "events": {"total": 5120, "kept": 5011, "cut": 103, "dropped": 6},
        "lengths": {
            "mean": 3.32,
            "median": 2,
            "longest": 211,
            "quantiles": {"0.5": 2, "0.9": 7, "0.99": 31},
            "histogram": [
                {"first": 1, "last": 1, "sessions": 604},
                {"first": 2, "last": None, "sessions": 907},
            ],
        },
        "by": "visitor",
        "gap_minutes": None,
        "open_minutes": 1440.0,
        "until": "purchase",
        "minimum_events": 1,
        "sample": 1.0,
        "cost": "event",
        "prices": None,
        "price_history": None,
        "category_roots": None,
        "columns": {},
    }
    return SessionsManifest.model_validate(values | changes)


def windows_manifest(**changes: Any) -> WindowsManifest:
    """Return a valid manifest of windows, with some entries changed."""
    none = dict.fromkeys(CATEGORICAL, 0)
    split = {"buyers": 4, "cut_short": 1, "missing": none, "rows": 150, "steps": 500, "unseen": none}
    values: Row = {
        "files": {},
        "rows": 450,
        "splits": dict.fromkeys(SPLITS, split),
        "open": 12,
        "events": {"total": 5011, "kept": 1500, "open": 120, "beyond": 3391},
        "keep_open": False,
        "sizes": dict.fromkeys(CATEGORICAL, 9),
        "rare_items": 7,
        "length": 100,
        "minimum_item_count": 5,
        "timezone": "UTC",
        "fields": list(FIELDS),
        "columns": {},
        "price_history": None,
    }
    return WindowsManifest.model_validate(values | changes)


def window(
    name: str, buyer: int, items: list[int], *, dwell: list[float | None] | None = None, **fields: list[int]
) -> Row:
    """Return the window of one session as a row.

    items, fields: codes per step; a categorical field that is not given has its first value at every step.
    """
    steps = len(items)
    row: Row = {"session_id": name, "buyer": buyer, "events": steps}
    row |= {field: fields.get(field, [FIRST_VALUE] * steps) for field in CATEGORICAL}
    row["item"] = items
    row["dwell"] = [None] + [0.5] * (steps - 1) if dwell is None else dwell
    row["cost"] = [None] * steps
    return row


def random_windows(
    count: int, rng: np.random.Generator, *, prefix: str, buyers: float = 0.3, longest: int = 9
) -> list[Row]:
    """Return windows in which buyers tend to look at items of higher code."""
    rows = []
    for number in range(count):
        buyer, steps = int(rng.random() < buyers), int(rng.integers(1, longest + 1))
        items = rng.integers(4, 20, steps) + buyer * rng.integers(0, 11, steps)
        hours = rng.integers(4, SIZES["hour"], steps).tolist()
        rows.append(window(f"{prefix}{number:06d}", buyer, items.tolist(), hour=hours))
    return rows


def write_windows(
    folder: Path,
    *,
    length: int = 10,
    sizes: dict[str, int] = SIZES,
    vocabularies: dict[str, list[str]] | None = None,
    **splits: list[Row],
) -> Path:
    """Write a windows folder with rows per split (train, valid, test, valid_prefixes, test_prefixes)."""
    for split in (*SPLITS, "valid_prefixes", "test_prefixes"):
        rows = splits.get(split, [])
        (folder / split).mkdir(parents=True)
        half = len(rows) // 2
        # Two files, the later sessions first: readers must sort.
        for number, part in enumerate((rows[half:], rows[:half])):
            table = pa.Table.from_pylist(part, WINDOW_SCHEMA)
            pq.write_table(table, folder / split / f"part-{number}.parquet")
    EncoderFile(
        vocabularies=vocabularies or {},
        rare=[],
        sizes=sizes,
        roots=[],
        numeric={field: {"mean": 0.0, "deviation": 1.0} for field in NUMERIC},  # type: ignore[dict-item]
        length=length,
        minimum_item_count=1,
        timezone="UTC",
    ).write(folder / "encoder.json")
    manifest = windows_manifest(files=WindowsManifest.digests(folder), sizes=sizes, length=length)
    manifest.write(manifest_path(folder))
    return folder
