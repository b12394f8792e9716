"""Sessions computed by hand, and compared with an independent implementation."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import BEGIN, BY_HASH, Row, build_sessions, event, filler_events

from rabbithole.artifacts.data import SessionEventCounts
from rabbithole.errors import UserError
from rabbithole.specs.data import Fold, SparkOptions, SplitSpec

pytestmark = pytest.mark.spark


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
        *filler_events(10, 20, 30),
    ]
    rows, manifest = build_sessions(tmp_path, events, spark)
    assert (rows["1"]["buyer"], rows["1"]["item"], rows["1"]["events"]) == (True, ["a", "b"], 2)
    assert rows["1"]["end"] == BEGIN + dt.timedelta(minutes=1)
    assert (rows["3"]["buyer"], rows["3"]["item"]) == (False, ["c"])
    assert "2" not in rows
    assert manifest.dropped == 1
    assert manifest.events == SessionEventCounts(total=11, kept=6, cut=3, dropped=2)
    assert (manifest.sessions, manifest.buyers) == (5, 1)


def test_a_log_of_sessions_needs_no_visitors(tmp_path: Path, spark: SparkOptions) -> None:
    """A split by hash then hashes the session."""
    events = [event(str(n), n + k, visitor=None) for n in range(60) for k in range(2)]
    rows, manifest = build_sessions(tmp_path / "hash", events, spark, by="session", split=BY_HASH)
    assert {name: row["events"] for name, row in rows.items()} == {str(n): 2 for n in range(60)}
    assert all(row["visitor"] is None for row in rows.values())
    assert manifest.splits.keys() == {"train", "valid", "test"}
    assert all(split.sessions > 5 for split in manifest.splits.values())
    _, manifest = build_sessions(tmp_path / "time", events, spark, by="session")
    assert [boundary.visitors_on_both_sides for boundary in manifest.boundaries] == [None, None]
    with pytest.raises(UserError, match=r"sessions\.by"):
        build_sessions(tmp_path / "visitor", events, spark, by="visitor")


def test_a_gap_cuts_only_when_it_is_longer(tmp_path: Path, spark: SparkOptions) -> None:
    events = [event("1", minute) for minute in (0, 30, 60.1, 61)] + filler_events(10, 20, 30)
    rows, _ = build_sessions(tmp_path, events, spark, gap_minutes=30.0)
    assert {name: row["events"] for name, row in rows.items() if name[0] == "1"} == {"1-0": 2, "1-1": 2}


def test_sessions_near_the_end_of_the_log_are_open_buyers_or_not(tmp_path: Path, spark: SparkOptions) -> None:
    """Dropping only open non-buyers would inflate the share of buyers."""
    events = [
        *filler_events(1, 2, 3, 4),
        event("1", 600 - 29),
        event("2", 600 - 28),
        event("2", 600 - 27, "transaction"),
        event("3", 600 - 30.001),
        event("4", 600 - 30),
        event("5", 600),
    ]
    rows, manifest = build_sessions(tmp_path / "horizon", events, spark)
    assert {name for name, row in rows.items() if row["open"]} == {"1", "2", "4", "5"}
    assert manifest.open == 4
    rows, _ = build_sessions(tmp_path / "gap", events, spark, gap_minutes=28.0, open_horizon_hours=100.0)
    assert {name for name, row in rows.items() if row["open"]} == {"2-0", "5-0"}


def test_visitors_on_both_sides_of_a_split_by_time_are_counted(tmp_path: Path, spark: SparkOptions) -> None:
    """Of 14 sessions, valid begins with the 8th, at 65 minutes, and test with the 11th, at 70."""
    events = [event(f"1{n}", minute) for n, minute in enumerate(range(0, 100, 10))]
    events += [event("10", 65), event("11", 66), event("12", 67), event("13", 95)]
    _, manifest = build_sessions(tmp_path, events, spark, gap_minutes=1.0)
    assert [boundary.visitors_on_both_sides for boundary in manifest.boundaries] == [4, 1]


def test_a_split_by_time_keeps_sessions_of_one_time_together(tmp_path: Path, spark: SparkOptions) -> None:
    """Dropped sessions do not count towards the shares."""
    events = [event(str(n), 60 * (n // 3)) for n in range(40)]
    events += [event(f"dropped {n}", 0, "transaction") for n in range(20)]
    rows, manifest = build_sessions(
        tmp_path, events, spark, split=SplitSpec(by="time", shares=(0.6, 0.2, 0.2))
    )
    starts = {
        split: [row["start"] for row in rows.values() if row["split"] == split]
        for split in ("train", "valid", "test")
    }
    assert max(starts["train"]) < min(starts["valid"]) <= max(starts["valid"]) < min(starts["test"])
    assert [len(starts[split]) for split in ("train", "valid", "test")] == [24, 6, 10]
    assert [boundary.visitors_on_both_sides for boundary in manifest.boundaries] == [0, 0]


def test_a_split_by_hash_keeps_a_visitor_together_and_does_not_depend_on_other_visitors(
    tmp_path: Path, spark: SparkOptions
) -> None:
    settings: dict[str, Any] = {"split": BY_HASH, "gap_minutes": 30.0}
    events = [event(str(n), 600 * k + n) for n in range(60) for k in range(3)]
    few, _ = build_sessions(tmp_path / "few", events, spark, **settings)
    more = events + [event(f"new{n}", n) for n in range(30)]
    many, _ = build_sessions(tmp_path / "many", more, spark, **settings)
    for name, row in few.items():
        assert row["split"] == many[name]["split"] == few[f"{row['visitor']}-0"]["split"]
    share = np.mean([row["split"] == "train" for row in few.values()])
    assert 0.3 < share < 0.7


def test_folds_test_each_session_once_and_keep_a_visitor_on_one_side(
    tmp_path: Path, spark: SparkOptions
) -> None:
    events = [event(str(n), 600 * k + n) for n in range(60) for k in range(3)]
    folds = []
    for number in range(3):
        fold = Fold(number=number, count=3)
        split = SplitSpec(by="folds", shares=(1 / 3, 1 / 3, 1 / 3), fold=fold)
        sessions, manifest = build_sessions(
            tmp_path / str(number), events, spark, split=split, gap_minutes=30.0
        )
        assert manifest.split_by == "folds" and manifest.boundaries == []
        for row in sessions.values():
            assert row["split"] == sessions[f"{row['visitor']}-0"]["split"]
        folds.append({name: row["split"] for name, row in sessions.items()})
    for name in folds[0]:
        assert sorted(fold[name] for fold in folds) == ["test", "train", "valid"]


def sessionise(events: list[Row], gap: float | None) -> dict[str, tuple[bool, list[str]]]:
    """Sessionise event by event; return (buyer, items before the first purchase) by session."""
    sessions: dict[str, tuple[bool, list[str]]] = {}
    last: dict[str, tuple[dt.datetime, int]] = {}
    groups: dict[str, list[Row]] = {}
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
            sessions[name] = (bool(bought), kept)
    return sessions


@pytest.mark.parametrize("gap", [None, 45.0])
def test_random_sessions_equal_those_of_an_independent_implementation(
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
    expected = sessionise([row | {"position": n} for n, row in enumerate(events)], gap)
    single, _ = build_sessions(tmp_path / "1", events, spark, parts=1, gap_minutes=gap, split=BY_HASH)
    four, _ = build_sessions(tmp_path / "4", events, spark, parts=4, gap_minutes=gap, split=BY_HASH)
    assert {name: (row["buyer"], row["item"]) for name, row in single.items()} == expected
    assert single == four


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event("1", 0, "transaction"), event("2", 0, "transaction")], "before its first transaction"),
        ([event("1", 0), event("2", 0)], "split is empty"),
    ],
)
def test_an_empty_split_or_no_session_is_an_error(
    tmp_path: Path, spark: SparkOptions, events: list[Row], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        build_sessions(tmp_path, events, spark)
    assert not (tmp_path / "sessions").exists()
