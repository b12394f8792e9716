"""Later events and purchases never leak into a session."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import BY_HASH, build_sessions, event, filler_events

from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark


def test_extra_events_after_the_first_transaction_change_no_session(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """They do not change whether it is open either: later behaviour would change the share of buyers."""
    events = [
        event("1", 0, item="a"),
        event("1", 1, "transaction", item="a", cost=5.0),
        event("2", 3, item="a"),
        event("3", 2390, item="a"),
        event("3", 2391, "transaction", item="a"),
        *filler_events(*range(10, 41)),
    ]
    extra = [
        event("1", 1, item="z"),
        event("1", 2, "addtocart", item="z"),
        event("1", 4, "transaction", item="a", cost=9.0),
        event("1", 2399, item="a"),
        event("3", 2399, "transaction", item="b"),
    ]
    before, first = build_sessions(tmp_path / "before", events, spark)
    after, second = build_sessions(tmp_path / "after", events + extra, spark)
    assert after == before
    assert (before["1"]["open"], before["3"]["open"]) == (False, True)
    assert second.splits == first.splits


def test_a_longer_log_changes_no_session_that_had_ended(tmp_path: Path, spark: SparkOptions) -> None:
    rng = np.random.default_rng(11)
    events = []
    for visitor in range(120):
        minute = float(rng.integers(3000))
        for _ in range(rng.integers(1, 8)):
            minute += float(rng.integers(20))
            bought = rng.random() < 0.15
            paid = float(rng.integers(1, 9)) if bought and rng.random() < 0.7 else None
            kind = "transaction" if bought else "view"
            events.append(event(str(visitor), minute, kind, item=str(rng.integers(6)), cost=paid))
    last = {row["session_id"]: row["timestamp"] for row in sorted(events, key=lambda row: row["timestamp"])}
    middle = sorted(last.values())[60]
    settings: dict[str, Any] = {"split": BY_HASH, "cost": "purchases", "open_horizon_hours": 0.0}
    short = [row for row in events if row["timestamp"] <= middle]
    before, _ = build_sessions(tmp_path / "before", short, spark, **settings)
    after, _ = build_sessions(tmp_path / "after", events, spark, **settings)
    ended = {name for name in before if last[name] < middle}
    assert len(ended) > 40
    assert any(cost is not None for name in ended for cost in before[name]["cost"])
    assert {name: after[name] for name in ended} == {name: before[name] for name in ended}


def test_costs_come_from_purchases_before_the_session_began(tmp_path: Path, spark: SparkOptions) -> None:
    """Costs never come from the session's own purchase, one at the time of its start, or a later one."""
    events = [
        event("1", 0, item="a"),
        event("1", 5, "transaction", item="a", cost=10.0),
        event("2", 5, item="a"),
        event("3", 6, item="a"),
        event("3", 7, item="b"),
        event("3", 8, "transaction", item="a", cost=30.0),
        event("3", 8.5, "transaction", item="a", cost=None),
        event("4", 7, item="a"),
        event("4", 60, item="a"),
        event("5", 9, item="a"),
        *filler_events(10, 20, 30),
    ]
    rows, manifest = build_sessions(tmp_path, events, spark, cost="purchases")
    assert {name: rows[name]["cost"] for name in "12345"} == {
        "1": [None],
        "2": [None],
        "3": [10.0, None],
        "4": [10.0, 10.0],
        "5": [30.0],
    }
    assert manifest.prices == 2
