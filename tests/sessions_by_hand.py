"""Small events by hand, and the sessions that are built from them."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.ingest.event_task import EVENT_SCHEMA
from rabbithole.io.manifests import write_manifest
from rabbithole.sessions.build import build_sessions
from rabbithole.spark.session import SparkOptions

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGIN = dt.datetime(2015, 6, 1, tzinfo=dt.UTC)
Event = dict[str, Any]

HASH = {"by": "hash", "shares": [0.5, 0.25, 0.25]}
TIME = {"by": "time", "shares": [0.5, 0.25, 0.25]}


def event(key: str, minute: float, kind: str = "view", **changes: Any) -> Event:
    """Return an event so many minutes after the beginning, by a visitor of the same name."""
    row = {
        "session_id": key,
        "visitor": key,
        "timestamp": BEGIN + dt.timedelta(minutes=minute),
        "event": kind,
        "item": "1",
        "category": None,
        "cost": None,
        "position": 0,
    }
    return row | changes


def sessions(
    folder: Path, events: list[Event], spark: SparkOptions, parts: int = 2, **changes: Any
) -> tuple[dict[str, Event], dict[str, Any]]:
    """Write events in parts of whole keys, build sessions; return them by name, and the manifest."""
    source, output = folder / "events", folder / "sessions"
    source.mkdir(parents=True)
    for number, row in enumerate(events):
        row["position"] = number
    keys = sorted({row["session_id"] for row in events})
    for number in range(parts):
        mine = [row for row in events if keys.index(row["session_id"]) % parts == number]
        mine.sort(key=lambda row: (row["session_id"], row["timestamp"], row["position"]))
        if mine:
            table = pa.Table.from_pylist(mine, EVENT_SCHEMA)
            pq.write_table(table, source / f"part-{number:05}.parquet")
    last = max(row["timestamp"] for row in events)
    visitors = len(keys) if events[0]["visitor"] else None
    write_manifest(
        source,
        format="retailrocket",
        rows=len(events),
        visitors=visitors,
        last_microseconds=(last - EPOCH) // dt.timedelta(microseconds=1),
    )
    settings: dict[str, Any] = {
        "by": "visitor",
        "gap_minutes": None,
        "cost": "event",
        "split": TIME,
        "open_horizon_hours": 0.5,
        "seed": 0,
    }
    build_sessions(events=source, output=output, spark=spark, **(settings | changes))
    rows = {row["session_id"]: row for row in pq.read_table(output).to_pylist()}
    return rows, json.loads((folder / "sessions.json").read_text())


def others(*hours: int) -> list[Event]:
    """Return visitors of one view each, so that no split is empty."""
    return [event(f"9{hour:04}", 60 * hour) for hour in hours]
