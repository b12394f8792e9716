"""Sessions that end at the first add-to-cart, that are excluded as short, and samples, computed by hand."""

import datetime as dt
from pathlib import Path

import pytest
from factories import BEGIN, BY_HASH, Row, build_sessions, event, filler_events

from rabbithole.artifacts.data import ExclusionCounts, SessionEventCounts
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

NONE = ExclusionCounts(sessions=0, buyers=0, events=0)


def filler_carts(*hours: int) -> list[Row]:
    """Return one add-to-cart by a visitor of its own at each hour, so that no split is empty."""
    return [row | {"event": "addtocart"} for row in filler_events(*hours)]


def test_a_session_ends_at_its_first_cart_before_a_purchase(tmp_path: Path, spark: SparkOptions) -> None:
    events = [
        event("1", 0, item="a"),
        event("1", 1, "addtocart", item="a"),
        event("1", 2, item="b"),
        event("1", 3, "addtocart", item="b"),
        event("1", 4, "transaction", item="b"),
        event("2", 5, item="a"),
        event("3", 6, item="c"),
        event("3", 7, "transaction", item="c"),
        event("3", 8, "addtocart", item="d"),
        event("3", 9, "transaction", item="d"),
        event("4", 10, "transaction"),
        event("4", 11, "addtocart"),
        event("5", 12, "addtocart", item="e"),
        event("6", 13, "addtocart"),
        event("6", 13, "transaction"),
        *filler_carts(10, 20, 30),
    ]
    rows, manifest = build_sessions(tmp_path, events, spark, until="first_cart")
    assert rows.keys() == {"1", "5", *(row["session_id"] for row in filler_carts(10, 20, 30))}
    first = rows["1"]
    assert (first["buyer"], first["item"], first["event"]) == (True, ["a", "a"], ["view", "addtocart"])
    assert (first["events"], first["end"]) == (2, BEGIN + dt.timedelta(minutes=1))
    assert (rows["5"]["buyer"], rows["5"]["item"]) == (False, ["e"])
    # Session 2 has no cart. Session 3 has none before its purchase. Sessions 4 and 6 begin with theirs.
    assert manifest.excluded == {
        "without_cart": ExclusionCounts(sessions=2, buyers=1, events=5),
        "short": NONE,
        "not_drawn": NONE,
    }
    assert manifest.dropped == 2
    assert manifest.events == SessionEventCounts(total=18, kept=6, cut=3, dropped=4)
    assert (manifest.sessions, manifest.buyers) == (5, 1)


def test_only_the_cart_is_kept_of_the_events_at_its_time(tmp_path: Path, spark: SparkOptions) -> None:
    """Of two carts at one time, the first in the log is kept. A session may begin with such events."""
    events = [
        event("1", 0, item="a"),
        event("1", 1, item="before it in the log"),
        event("1", 1, "addtocart", item="b"),
        event("1", 1, "addtocart", item="c"),
        event("1", 1, item="after it in the log"),
        event("2", 2, item="before it in the log"),
        event("2", 2, "addtocart", item="d"),
        *filler_carts(10, 20, 30),
    ]
    rows, _ = build_sessions(tmp_path, events, spark, until="first_cart")
    assert {name: rows[name]["item"] for name in "12"} == {"1": ["a", "b"], "2": ["d"]}


def test_extra_events_after_the_first_cart_change_no_session(tmp_path: Path, spark: SparkOptions) -> None:
    """They do not change whether it is open either. A later purchase changes the label and nothing else."""
    events = [
        event("1", 0, item="a"),
        event("1", 5, "addtocart", item="a", cost=3.0),
        event("2", 7, "addtocart", item="a"),
        event("2", 8, "transaction", item="a"),
        event("3", 2390, "addtocart", item="b"),
        *filler_carts(*range(10, 41)),
    ]
    extra = [
        event("1", 5, item="z"),
        event("1", 6, "addtocart", item="z", cost=1.0),
        event("1", 2399, item="z"),
        event("2", 9, "addtocart", item="z"),
        event("3", 2399, "addtocart", item="z"),
    ]
    settings = {"until": "first_cart", "gap_minutes": 10_000.0}
    before, first = build_sessions(tmp_path / "before", events, spark, **settings)
    after, second = build_sessions(tmp_path / "after", events + extra, spark, **settings)
    assert after == before
    # With the gap as the horizon, every session would be open.
    assert (before["1-0"]["open"], before["3-0"]["open"]) == (False, True)
    assert second.splits == first.splits
    bought, _ = build_sessions(
        tmp_path / "bought", [*events, *extra, event("1", 6, "transaction")], spark, **settings
    )
    assert bought == before | {"1-0": before["1-0"] | {"buyer": True}}


def test_short_sessions_are_excluded_and_counted(tmp_path: Path, spark: SparkOptions) -> None:
    """Events after the purchase make no session longer."""
    events = [
        *(event("1", minute) for minute in (0, 1, 2)),
        *(event("2", minute) for minute in (3, 4)),
        *(event("3", minute) for minute in (5, 6)),
        event("3", 7, "transaction"),
        event("3", 8),
        event("4", 9, "transaction"),
        *(event(f"9{n}", 60 * n + minute) for n in (1, 2, 3) for minute in (0, 1, 2)),
        event("93", 184, "transaction"),
    ]
    rows, manifest = build_sessions(tmp_path, events, spark, minimum_events=3)
    assert {name: row["events"] for name, row in rows.items()} == {"1": 3, "91": 3, "92": 3, "93": 3}
    assert manifest.excluded["short"] == ExclusionCounts(sessions=2, buyers=1, events=6)
    assert manifest.events == SessionEventCounts(total=20, kept=12, cut=1, dropped=1)
    assert (manifest.sessions, manifest.buyers, manifest.dropped) == (4, 1, 1)


def test_a_sample_takes_all_sessions_of_a_visitor_and_the_same_share_of_every_split(
    tmp_path: Path, spark: SparkOptions
) -> None:
    events = [event(str(n), 100 * k + n / 10) for n in range(1000) for k in range(2)]
    settings = {"split": BY_HASH, "gap_minutes": 50.0}
    every, _ = build_sessions(tmp_path / "all", events, spark, **settings)
    some, manifest = build_sessions(tmp_path / "some", events, spark, sample=0.3, **settings)
    assert {name: every[name] for name in some} == some
    visitors = {row["visitor"] for row in some.values()}
    assert len(some) == 2 * len(visitors)
    # Three standard deviations for a share of 0.3 of 1,000 visitors, and of the 500 or 250 of a split.
    assert abs(len(visitors) - 300) < 44
    for split, share in zip(("train", "valid", "test"), BY_HASH.shares, strict=True):
        drawn = sum(row["split"] == split for row in some.values()) / 2
        assert abs(drawn - 300 * share) < 3 * (1000 * share * 0.3 * 0.7) ** 0.5, split
    assert manifest.excluded["not_drawn"].sessions == 2000 - len(some)
    by_time, _ = build_sessions(tmp_path / "time", events, spark, sample=0.3, gap_minutes=50.0)
    assert by_time.keys() == some.keys()
    counts = [sum(row["split"] == split for row in by_time.values()) for split in ("train", "valid", "test")]
    assert abs(counts[0] - len(some) / 2) <= 1
    assert abs(counts[1] - len(some) / 4) <= 1
