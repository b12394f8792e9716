"""Sessions by hand, against an independent sessioniser, and what may never leak into them."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.errors import UserError
from rabbithole.sessions.build import build_sessions
from rabbithole.sources.gather import SCHEMA
from rabbithole.spark import SparkOptions
from rabbithole.tables import write_manifest

BEGIN = dt.datetime(2015, 6, 1, tzinfo=dt.UTC)
Event = dict[str, Any]


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
            table = pa.Table.from_pylist(mine, SCHEMA)
            pq.write_table(table, source / f"part-{number:05}.parquet")
    last = max(row["timestamp"] for row in events)
    visitors = len(keys) if events[0]["visitor"] else None
    write_manifest(
        source,
        format="retailrocket",
        rows=len(events),
        visitors=visitors,
        last_microseconds=int(last.timestamp()) * 1_000_000,
    )
    settings: dict[str, Any] = {
        "by": "visitor",
        "gap_minutes": None,
        "cost": "event",
        "split": {"by": "time", "shares": [0.5, 0.25, 0.25]},
        "open_horizon_hours": 0.5,
        "seed": 0,
    }
    build_sessions(events=source, output=output, spark=spark, **(settings | changes))
    rows = {row["session_id"]: row for row in pq.read_table(output).to_pylist()}
    return rows, json.loads((folder / "sessions.json").read_text())


def others(*hours: int) -> list[Event]:
    """Return visitors of one view each, so that no split is empty."""
    return [event(f"9{hour:04}", 60 * hour) for hour in hours]


def test_sessions_are_labelled_and_cut_strictly_before_the_first_purchase(
    tmp_path: Path, spark: SparkOptions
) -> None:
    events = [
        event("1", 0, item="a"),
        event("1", 1, "addtocart", item="b"),
        event("1", 2, item="at the very time"),
        event("1", 2, "transaction", item="b"),
        event("1", 3, item="after"),
        event("2", 4, "transaction"),
        event("2", 5),
        event("3", 6, item="c"),
        *others(10, 20, 30),
    ]
    rows, manifest = sessions(tmp_path, events, spark)
    assert (rows["1"]["buyer"], rows["1"]["item"], rows["1"]["events"]) == (True, ["a", "b"], 2)
    assert rows["1"]["end"] == BEGIN + dt.timedelta(minutes=1)
    assert (rows["3"]["buyer"], rows["3"]["item"]) == (False, ["c"])
    assert "2" not in rows
    assert manifest["dropped"] == 1
    assert manifest["events"] == {"in": 11, "kept": 6, "cut": 3, "dropped": 2}
    assert (manifest["sessions"], manifest["buyers"]) == (5, 1)


def test_a_gap_cuts_only_when_it_is_longer(tmp_path: Path, spark: SparkOptions) -> None:
    events = [event("1", minute) for minute in (0, 30, 60.1, 61)] + others(10, 20, 30)
    rows, _ = sessions(tmp_path, events, spark, gap_minutes=30.0)
    assert {name: row["events"] for name, row in rows.items() if name[0] == "1"} == {"1-0": 2, "1-1": 2}


def test_sessions_near_the_log_s_end_are_open_buyers_or_not(tmp_path: Path, spark: SparkOptions) -> None:
    """To leave out only those that have not bought would raise the share of buyers."""
    events = [
        *others(1, 2, 3, 4),
        event("1", 600 - 29),
        event("2", 600 - 28),
        event("2", 600 - 27, "transaction"),
        event("3", 600 - 31),
        event("4", 600),
    ]
    rows, manifest = sessions(tmp_path, events, spark)
    assert {name for name, row in rows.items() if row["open"]} == {"1", "2", "4"}
    assert manifest["open"] == 3


def test_a_split_by_time_parts_no_sessions_of_one_time(tmp_path: Path, spark: SparkOptions) -> None:
    events = [event(str(n), 60 * (n // 3)) for n in range(40)]
    rows, manifest = sessions(tmp_path, events, spark, split={"by": "time", "shares": [0.6, 0.2, 0.2]})
    starts = {
        split: [row["start"] for row in rows.values() if row["split"] == split]
        for split in ("train", "valid", "test")
    }
    assert max(starts["train"]) < min(starts["valid"]) <= max(starts["valid"]) < min(starts["test"])
    assert [len(starts[split]) for split in ("train", "valid", "test")] == [24, 6, 10]
    assert [one["visitors_on_both_sides"] for one in manifest["boundaries"]] == [0, 0]


def test_a_split_by_hash_keeps_a_visitor_together_and_stands_when_others_come(
    tmp_path: Path, spark: SparkOptions
) -> None:
    settings = {"split": {"by": "hash", "shares": [0.5, 0.25, 0.25]}, "gap_minutes": 30.0}
    events = [event(str(n), 600 * k + n) for n in range(60) for k in range(3)]
    few, _ = sessions(tmp_path / "few", events, spark, **settings)
    more = events + [event(f"new{n}", n) for n in range(30)]
    many, _ = sessions(tmp_path / "many", more, spark, **settings)
    for name, row in few.items():
        assert row["split"] == many[name]["split"] == few[f"{row['visitor']}-0"]["split"]
    share = np.mean([row["split"] == "train" for row in few.values()])
    assert 0.3 < share < 0.7


def test_costs_come_from_purchases_before_the_session_began(tmp_path: Path, spark: SparkOptions) -> None:
    """Never from the session's own purchase, from one at the very time it began, or from a later one."""
    events = [
        event("1", 0, item="a"),
        event("1", 5, "transaction", item="a", cost=10.0),
        event("2", 5, item="a"),
        event("3", 6, item="a"),
        event("3", 7, item="b"),
        event("3", 8, "transaction", item="a", cost=30.0),
        event("4", 7, item="a"),
        event("4", 60, item="a"),
        event("5", 9, item="a"),
        *others(10, 20, 30),
    ]
    rows, manifest = sessions(tmp_path, events, spark, cost="purchases")
    assert {name: rows[name]["cost"] for name in "12345"} == {
        "1": [None],
        "2": [None],
        "3": [10.0, None],
        "4": [10.0, 10.0],
        "5": [30.0],
    }
    assert manifest["prices"] == 2


def test_what_comes_later_changes_no_session(tmp_path: Path, spark: SparkOptions) -> None:
    """Events after a first purchase, and other visitors' later events, leave every kept session as it was."""
    events = [
        event("1", 0, item="a"),
        event("1", 1, "transaction", item="a", cost=5.0),
        event("2", 3, item="a"),
        *others(*range(10, 40)),
    ]
    settings = {"cost": "purchases", "split": {"by": "hash", "shares": [0.5, 0.25, 0.25]}}
    before, _ = sessions(tmp_path / "before", events, spark, **settings)
    later = [
        event("1", 2, item="z"),
        event("1", 4, "transaction", item="a", cost=9.0),
        event("8", 5, "transaction", item="a", cost=7.0),
    ]
    after, _ = sessions(tmp_path / "after", events + later, spark, **settings)
    assert after == before


def independent(events: list[Event], gap: float | None) -> dict[str, tuple[bool, list[str]]]:
    """Sessionise one event at a time: name to (buyer, items before the first purchase)."""
    found: dict[str, tuple[bool, list[str]]] = {}
    last: dict[str, tuple[dt.datetime, int]] = {}
    groups: dict[str, list[Event]] = {}
    for row in sorted(events, key=lambda row: (row["timestamp"], row["position"])):
        key = row["session_id"]
        time, number = last.get(key, (row["timestamp"], 0))
        if gap is not None and row["timestamp"] - time > dt.timedelta(minutes=gap):
            number += 1
        last[key] = (row["timestamp"], number)
        groups.setdefault(f"{key}-{number}" if gap is not None else key, []).append(row)
    for name, rows in groups.items():
        bought = [row["timestamp"] for row in rows if row["event"] == "transaction"]
        kept = [row["item"] for row in rows if not bought or row["timestamp"] < bought[0]]
        if kept:
            found[name] = (bool(bought), kept)
    return found


@pytest.mark.parametrize("gap", [None, 45.0])
def test_any_log_gives_what_an_independent_sessioniser_gives(
    tmp_path: Path, spark: SparkOptions, gap: float | None
) -> None:
    rng = np.random.default_rng(7)
    kinds = ["view", "addtocart", "transaction"]
    events = [
        event(
            str(rng.integers(60)),
            float(rng.integers(3000)),
            str(rng.choice(kinds, p=[0.85, 0.1, 0.05])),
            item=str(rng.integers(1000)),
        )
        for _ in range(1500)
    ]
    expected = independent([row | {"position": n} for n, row in enumerate(events)], gap)
    split = {"by": "hash", "shares": [0.5, 0.25, 0.25]}
    one, _ = sessions(tmp_path / "1", events, spark, parts=1, gap_minutes=gap, split=split)
    four, _ = sessions(tmp_path / "4", events, spark, parts=4, gap_minutes=gap, split=split)
    assert {name: (row["buyer"], row["item"]) for name, row in one.items()} == expected
    assert one == four


def test_visitors_are_needed_to_gather_by_them(tmp_path: Path, spark: SparkOptions) -> None:
    with pytest.raises(UserError, match=r"sessions\.by"):
        sessions(tmp_path, [event("1", 0, visitor=None)], spark)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event("1", 0, "transaction"), event("2", 0, "transaction")], "before its first transaction"),
        ([event("1", 0), event("2", 0)], "split is empty"),
    ],
)
def test_a_stage_without_sessions_says_why(
    tmp_path: Path, spark: SparkOptions, events: list[Event], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        sessions(tmp_path, events, spark)
    assert not (tmp_path / "sessions").exists()
