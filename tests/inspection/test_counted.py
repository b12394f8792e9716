"""`inspect` where no column holds a time alone: counts from a start, days apart, dates in several columns."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories.inspected import STANDARD, read
from factories.shop_logs import Event, Getter, shop_events, write_csv

from rabbithole.inspection.inspect import inspect

START = datetime(2025, 2, 28, tzinfo=UTC)
PLAIN = {name: STANDARD[name] for name in ("user_id", "event_type", "product_id")}


def day(event: Event) -> int:
    return (event.time - START).days


def seconds(event: Event) -> float:
    return round((event.time - START).total_seconds(), 1)


def section(tmp_path: Path, columns: dict[str, Getter]) -> dict[str, object]:
    """Return the section `time` that is written for some columns, without defaults."""
    _, dataset, table = read(write_csv(tmp_path / "log.csv", PLAIN | columns))
    assert dataset.target == "buyer"
    return table.time.model_dump(exclude_defaults=True)


def test_seconds_from_an_unnamed_start(tmp_path: Path) -> None:
    inspection, _, table = read(write_csv(tmp_path / "log.csv", PLAIN | {"timestamp": seconds}))
    assert (table.time.unit, table.time.origin) == ("s", "2024-01-01")
    assert "this `origin` is invented" in " ".join(inspection.text.replace("#", "").split())
    assert inspection.estimate is not None
    span = max(map(seconds, shop_events())) - min(map(seconds, shop_events()))
    assert inspection.estimate.last - inspection.estimate.first == pytest.approx(span)


def test_a_count_without_a_unit_is_not_guessed(tmp_path: Path) -> None:
    columns = PLAIN | {"time": lambda event: 20 * day(event)}
    assert inspect([str(write_csv(tmp_path / "log.csv", columns))]).problem.startswith("the time")


@pytest.mark.parametrize("mark", ["", ":"])
def test_a_count_of_days_and_a_time_of_day(tmp_path: Path, mark: str) -> None:
    columns: dict[str, Getter] = {
        "DAY": day,
        "TRANS_TIME": lambda event: f"{event.time.hour}{mark}{event.time.minute:02}",
    }
    known = {"unit": "d", "origin": "2024-01-01", "offset": "TRANS_TIME", "offset_unit": "clock"}
    assert section(tmp_path, columns) == {"column": ["DAY"]} | known


def test_year_month_and_day_in_three_columns(tmp_path: Path) -> None:
    columns: dict[str, Getter] = {
        "year": lambda event: event.time.year,
        "month": lambda event: event.time.month,
        "day": lambda event: event.time.day,
    }
    joined = {"column": ["year", "month", "day"], "joined": True, "unit": "%Y %m %d"}
    assert section(tmp_path, columns) == joined
    hours = columns | {"hour": lambda event: event.time.hour}
    assert section(tmp_path, hours) == joined | {"offset": "hour", "offset_unit": "h"}


def test_months_and_days_without_a_year(tmp_path: Path) -> None:
    columns = PLAIN | {"time_stamp": lambda event: int(event.time.strftime("%m%d"))}
    inspection, dataset, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.time.unit, table.time.origin) == ("%m%d", "2024-01-01")
    # A purchase of the same day is not known to follow the views.
    assert dataset.sessions.gap_minutes == 7 * 24 * 60
    assert inspection.estimate is not None and inspection.estimate.buyers


def test_a_day_of_the_month_alone_is_no_count(tmp_path: Path) -> None:
    columns = PLAIN | {"day": lambda event: event.time.day, "month": lambda event: event.time.month}
    assert inspect([str(write_csv(tmp_path / "log.csv", columns))]).problem.startswith("the time")


def test_times_since_another_event_are_explained(tmp_path: Path) -> None:
    columns = PLAIN | {"days_since_prior_order": lambda event: int(event.item) % 30}
    problem = inspect([str(write_csv(tmp_path / "log.csv", columns))]).problem
    assert "days_since_prior_order counts from another event" in problem


@pytest.mark.parametrize(
    ("name", "write", "offset"),
    [
        ("hour", lambda event: event.time.hour, {"offset": "hour", "offset_unit": "h"}),
        ("time", lambda event: int(f"{event.time:%H%M}"), {"offset": "time", "offset_unit": "clock"}),
        (
            "time_of_day",
            lambda event: 3600 * event.time.hour + 60 * event.time.minute,
            {"offset": "time_of_day", "offset_unit": "s"},
        ),
    ],
)
def test_a_date_and_a_number_of_hours_minutes_or_seconds(
    tmp_path: Path, name: str, write: Getter, offset: dict[str, str]
) -> None:
    columns: dict[str, Getter] = {"date": lambda event: f"{event.time:%Y-%m-%d}", name: write}
    assert section(tmp_path, columns) == {"column": ["date"]} | offset


def test_a_time_of_day_that_cannot_be_read_is_asked_for(tmp_path: Path) -> None:
    columns = PLAIN | {
        "date": lambda event: f"{event.time:%Y-%m-%d}",
        "time": lambda event: f"{event.time:%I:%M:%S %p} EST",
    }
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert inspection.problem == "the time" and "named like the time of day" in inspection.text
