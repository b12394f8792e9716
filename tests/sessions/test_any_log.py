"""Sessions of any log: further fields, two ids, the default horizon, and what is refused or diagnosed."""

from pathlib import Path
from typing import Any

import pytest
from factories import BY_HASH, Row, build_sessions, event

from rabbithole.artifacts.data import Fields
from rabbithole.errors import UserError
from rabbithole.specs.data import SessionsPurpose, SparkOptions

pytestmark = pytest.mark.spark

BUYERS = SessionsPurpose(buyers=True, keep_open=False)


def test_further_fields_are_kept_event_by_event(tmp_path: Path, spark: SparkOptions) -> None:
    further = Fields(categorical=("brand",), numeric=("quantity",))
    events = [
        event("1", 0, brand="acme", quantity=2.0),
        event("1", 1, brand=None, quantity=None),
        event("1", 2, "transaction", brand="bought", quantity=9.0),
        event("1", 3, brand="after", quantity=9.0),
        *(event(str(n), 60 * n, brand=f"b{n}", quantity=float(-n)) for n in (2, 3, 4)),
    ]
    rows, manifest = build_sessions(tmp_path, events, spark, further=further)
    assert (rows["1"]["brand"], rows["1"]["quantity"]) == (["acme", None], [2.0, None])
    assert (rows["3"]["brand"], rows["3"]["quantity"]) == (["b3"], [-3.0])
    assert manifest.fields == further
    assert {"brand", "quantity"} <= manifest.columns.keys()


def two_ids(key: str, visitor: str | None, *minutes: float) -> list[Row]:
    """Return views of a log's own session, at whose first event the visitor is not known yet."""
    return [event(key, minute, visitor=visitor if number else None) for number, minute in enumerate(minutes)]


def test_with_both_ids_a_session_has_its_first_known_visitor_who_stays_in_one_split(
    tmp_path: Path, spark: SparkOptions
) -> None:
    events = [row for n in range(60) for row in two_ids(f"s{n:02}", f"v{n % 15}", 60 * n, 60 * n + 1)]
    events += two_ids("anonymous", None, 7, 8)
    rows, _ = build_sessions(tmp_path, events, spark, parts=3, by="session", split=BY_HASH)
    assert {rows[f"s{n:02}"]["visitor"] for n in (3, 18, 33, 48)} == {"v3"}
    assert rows["anonymous"]["visitor"] is None
    splits = {row["visitor"]: set[str]() for row in rows.values()}
    for row in rows.values():
        splits[row["visitor"]].add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    assert {name for names in splits.values() for name in names} == {"train", "valid", "test"}


def test_with_both_ids_a_split_by_time_counts_visitors_on_both_sides_across_parts(
    tmp_path: Path, spark: SparkOptions
) -> None:
    """Of eight sessions, an hour apart, valid begins with the fifth and test with the seventh."""
    visitors = ["a", "b", "c", "a", "a", "d", "c", "e"]
    events = [row for n, name in enumerate(visitors) for row in two_ids(f"s{n}", name, 60 * n, 60 * n + 1)]
    _, manifest = build_sessions(tmp_path, events, spark, parts=4, by="session")
    assert [boundary.visitors_on_both_sides for boundary in manifest.boundaries] == [2, 1]


@pytest.mark.parametrize(
    ("settings", "minutes"),
    [
        ({"by": "session"}, 60.0),
        ({"by": "visitor"}, 200.0),
        ({"by": "visitor", "gap_minutes": 30.0}, 30.0),
        ({"by": "visitor", "gap_minutes": 300.0}, 200.0),
        ({"by": "visitor", "open_horizon_hours": 2.0}, 120.0),
        ({"by": "visitor", "gap_minutes": 300.0, "open_horizon_hours": 2.0}, 300.0),
    ],
)
def test_the_default_horizon_takes_at_most_a_fiftieth_of_the_log(
    settings: dict[str, Any], minutes: float, tmp_path: Path, spark: SparkOptions
) -> None:
    """The log spans 10,000 minutes."""
    events = [event(f"{n:03}", 100 * n) for n in range(101)]
    _, manifest = build_sessions(tmp_path, events, spark, **{"open_horizon_hours": None} | settings)
    assert manifest.open_minutes == pytest.approx(minutes)


def shop(count: int, buyers: set[int], *, minutes: float = 100) -> list[Row]:
    """Return sessions of one view, so many minutes apart; some buy."""
    views = [event(f"{n:04}", minutes * n) for n in range(count)]
    return views + [event(f"{n:04}", minutes * n + 0.1, "transaction") for n in sorted(buyers)]


@pytest.mark.parametrize(
    ("events", "settings", "words"),
    [
        (
            [event(f"{n}", 100 * n, kind) for n, kind in enumerate(["pv", "buy", "pv", "pv"])],
            {},
            r"holds no purchase. Its event types are pv, buy. If one of them .* `transaction`",
        ),
        (
            shop(40, {30}),
            {},
            "train has 20 sessions and no buyer; the whole log has 1 buyer. .*`split.by: hash`",
        ),
        (shop(40, {*range(20)}), {}, "train has 20 sessions and only buyers"),
        (shop(40, {*range(40)}), {}, "only buyers.* Check which event type means a purchase"),
        (
            [row | {"visitor": "one"} for row in shop(40, {1, 2})],
            {"by": "session", "split": BY_HASH},
            r"empty: 40 sessions of 1 visitor, .* \(those of a visitor stay together\).* split.by: time",
        ),
        (
            [*shop(40, set(), minutes=0), event("0041", 0, "transaction")],
            {"split": BY_HASH, "open_horizon_hours": None},
            "All events of the log have the same time",
        ),
        (
            shop(40, {1}),
            {"open_horizon_hours": 20.0},
            "All 10 sessions of test are still open .* within 20 hours of it.*`sessions.keep_open: true`",
        ),
        (
            [event("one", n, "view" if n < 8 else "transaction") for n in range(9)],
            {},
            "All 9 events have the same visitor, so they are one session",
        ),
        (
            [*shop(40, set()), *(event(f"{n:04}", 100 * n, "transaction") for n in range(0, 40, 2))],
            {},
            "train has 10 sessions and no buyer; the whole log has 0 buyers.* 20 further sessions with a "
            "purchase have no event before it, and an event at the same time",
        ),
        (shop(40, {1}, minutes=0), {}, "train split is empty.*, or split.by: hash"),
    ],
)
def test_a_log_that_cannot_be_learned_from_is_refused_before_windows(
    events: list[Row], settings: dict[str, Any], words: str, tmp_path: Path, spark: SparkOptions
) -> None:
    with pytest.raises(UserError, match=words):
        build_sessions(tmp_path, events, spark, purpose=BUYERS, **settings)
    assert not (tmp_path / "sessions").exists()
    assert not (tmp_path / "sessions.json").exists()


def test_few_buyers_are_diagnosed_with_what_helps(
    tmp_path: Path, spark: SparkOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """By hash, test would have six of the 25 buyers; by time it has none."""
    _, manifest = build_sessions(tmp_path / "late", shop(100, {*range(25)}), spark, purpose=BUYERS)
    (few,) = manifest.diagnoses
    assert few.kind == "few buyers"
    assert "25 of 50 in train, 0 of 25 in valid, 0 of 24 in test" in few.text
    assert "An AUC on test will not be defined" in few.text
    assert "`split.by: hash`" in few.advice
    assert few.text in caplog.text
    _, manifest = build_sessions(tmp_path / "even", shop(40, {*range(0, 40, 2)}), spark, purpose=BUYERS)
    (few,) = manifest.diagnoses
    assert "hash" not in few.advice
    _, manifest = build_sessions(tmp_path / "many", shop(200, {*range(0, 200, 2)}), spark, purpose=BUYERS)
    assert manifest.diagnoses == []


def test_a_log_that_ends_within_its_horizon_is_diagnosed(tmp_path: Path, spark: SparkOptions) -> None:
    events = shop(200, {*range(0, 200, 2)}, minutes=1)
    _, manifest = build_sessions(tmp_path, events, spark, purpose=BUYERS, open_horizon_hours=0.6)
    assert [each.kind for each in manifest.diagnoses] == ["few buyers", "short log"]
    assert "Most sessions of test are still open" in manifest.diagnoses[1].text
    assert "the last 36 minutes count as its end" in manifest.diagnoses[1].text


def test_a_log_without_purchases_serves_the_next_event(tmp_path: Path, spark: SparkOptions) -> None:
    purpose = SessionsPurpose(buyers=False, keep_open=False)
    _, manifest = build_sessions(tmp_path, shop(40, set()), spark, purpose=purpose)
    assert [each.kind for each in manifest.diagnoses] == ["no purchase"]
