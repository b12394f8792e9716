"""What may never leak into a session: what came after it, and what its visitor bought."""

from pathlib import Path
from typing import Any

import numpy as np
from sessions_by_hand import HASH, event, others, sessions

from rabbithole.spark.session import SparkOptions


def test_extra_events_after_the_first_transaction_change_no_session(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """Not even whether it counts as open: the share of buyers would hang on what they did afterwards."""
    events = [
        event("1", 0, item="a"),
        event("1", 1, "transaction", item="a", cost=5.0),
        event("2", 3, item="a"),
        event("3", 2390, item="a"),
        event("3", 2391, "transaction", item="a"),
        *others(*range(10, 41)),
    ]
    extra = [
        event("1", 1, item="z"),
        event("1", 2, "addtocart", item="z"),
        event("1", 4, "transaction", item="a", cost=9.0),
        event("1", 2399, item="a"),
        event("3", 2399, "transaction", item="b"),
    ]
    before, first = sessions(tmp_path / "before", events, spark)
    after, second = sessions(tmp_path / "after", events + extra, spark)
    assert after == before
    assert (before["1"]["open"], before["3"]["open"]) == (False, True)
    assert second["splits"] == first["splits"]


def test_events_after_a_session_s_end_change_no_other_session(tmp_path: Path, spark: SparkOptions) -> None:
    """A log that was written on for longer tells the same of every session that had ended."""
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
    settings: dict[str, Any] = {"split": HASH, "cost": "purchases", "open_horizon_hours": 0.0}
    short = [row for row in events if row["timestamp"] <= middle]
    before, _ = sessions(tmp_path / "before", short, spark, **settings)
    after, _ = sessions(tmp_path / "after", events, spark, **settings)
    ended = {name for name in before if last[name] < middle}
    assert len(ended) > 40
    assert any(cost is not None for name in ended for cost in before[name]["cost"])
    assert {name: after[name] for name in ended} == {name: before[name] for name in ended}


def test_costs_come_from_purchases_before_the_session_began(tmp_path: Path, spark: SparkOptions) -> None:
    """Never from the session's own purchase, from one at the very time it began, or from a later one."""
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
