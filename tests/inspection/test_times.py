"""How the times of a log may be written: units, zones, dates and clocks apart."""

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories.inspected import STANDARD, read
from factories.shop_logs import Event, shop_events, write_csv

from rabbithole.inspection.inspect import inspect


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000), ("us", 10**6)])
def test_the_unit_of_epochs_follows_from_their_size(tmp_path: Path, unit: str, factor: int) -> None:
    columns = {**STANDARD, "timestamp": lambda event: round(event.time.timestamp() * factor)}
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.time.unit == unit


def test_times_with_a_zone_need_no_check(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    zoned = {**STANDARD, "timestamp": lambda event: event.time.astimezone(berlin).isoformat()}
    naive = {**STANDARD, "timestamp": lambda event: event.time.strftime("%Y-%m-%d %H:%M:%S.%f")}
    assert "name no zone" not in read(write_csv(tmp_path / "zoned.csv", zoned))[0].text
    assert "name no zone" in read(write_csv(tmp_path / "naive.csv", naive))[0].text


def test_date_and_time_in_two_columns(tmp_path: Path) -> None:
    columns = {
        "COOKIE": STANDARD["user_id"],
        "Date": lambda event: event.time.strftime("%d/%m/%Y"),
        "Time": lambda event: event.time.strftime("%H:%M:%S"),
        "Webpage": lambda event: {"view": "product", "cart": "addcart", "purchase": "pay_res"}[event.kind],
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.time.column, table.time.date, table.time.unit) == (["Time"], "Date", "%d/%m/%Y %H:%M:%S")
    assert table.item is None
    assert table.event.words["pay_res"] == "transaction"
    assert "pay_res probably means a purchase" in inspection.text


def test_the_time_of_an_event_is_not_that_of_its_session(tmp_path: Path) -> None:
    sessions: dict[str, list[Event]] = {}
    for event in shop_events():
        sessions.setdefault(event.session, []).append(event)
    nested = tmp_path / "nested.jsonl"
    lines = [
        {
            "session": {"id": name, "startedAt": events[0].time.isoformat()},
            "hits": [
                {"at": event.time.isoformat(), "name": event.kind, "sku": event.item} for event in events
            ],
        }
        for name, events in sessions.items()
    ]
    nested.write_text("\n".join(map(json.dumps, lines)))
    _, _, table = read(nested)
    assert (table.explode, table.time.column, table.session) == ("hits", ["hits.at"], ["session.id"])
    columns = {
        "begun": lambda event: sessions[event.session][0].time.isoformat(),
        "moment": lambda event: event.time.isoformat(),
        **{name: STANDARD[name] for name in ("session_id", "event_type", "product_id")},
    }
    _, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.time.column == ["moment"]


def test_day_and_month_of_a_date_in_a_column_of_its_own(tmp_path: Path) -> None:
    events = [event for event in shop_events() if event.time.day in (5, 6, 7, 8)]
    later = [replace(event, time=event.time + timedelta(days=31)) for event in events]
    columns = {
        "date": lambda event: event.time.strftime("%m/%d/%Y"),
        "time": lambda event: event.time.strftime("%I:%M:%S %p"),
        **{name: STANDARD[name] for name in ("session_id", "event_type", "product_id")},
    }
    _, _, table = read(write_csv(tmp_path / "log.csv", columns, [*events, *later]))
    assert table.time.unit == "%m/%d/%Y %I:%M:%S %p"


def test_parquet_with_naive_times(tmp_path: Path) -> None:
    events = shop_events()
    table = pa.table(
        {
            "ts": pa.array([event.time.replace(tzinfo=None) for event in events], pa.timestamp("us")),
            "visitor": [int(event.visitor) for event in events],
            "action": pa.array([event.kind for event in events]).dictionary_encode(),
            "sku": [event.item for event in events],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=200)
    inspection, _, spec = read(tmp_path / "log.parquet")
    assert (spec.kind, spec.time.column, spec.visitor) == ("parquet", ["ts"], "visitor")
    assert "name no zone" in inspection.text


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00"])
def test_the_zone_of_parquet_times_needs_no_check(tmp_path: Path, zone: str) -> None:
    """An offset is no zone of a shop, as it says nothing of summer."""
    events = shop_events()
    table = pa.table(
        {
            "ts": pa.array([event.time for event in events], pa.timestamp("us", zone)),
            "visitor": [event.visitor for event in events],
            "action": [event.kind for event in events],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    inspection, dataset, _ = read(tmp_path / "log.parquet")
    assert inspection.estimate is not None
    assert inspection.estimate.first == pytest.approx(events[0].time.timestamp())
    assert dataset.timezone == ("UTC" if zone == "+02:00" else zone)
    assert ("check: the shop's zone" in inspection.text) == (zone == "+02:00")


@pytest.mark.parametrize("date", ["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y"])
@pytest.mark.parametrize("clock", ["%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%H%M%S", "%H:%M:%S", "%H:%M"])
def test_a_date_and_a_time_of_day_of_any_kind_are_one_time(tmp_path: Path, date: str, clock: str) -> None:
    columns = {
        **{name: STANDARD[name] for name in ("user_id", "event_type", "product_id")},
        "date": lambda event: event.time.strftime(date),
        "time": lambda event: event.time.strftime(clock),
    }
    events = shop_events()
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns, events))
    assert (table.time.date, table.time.column) == ("date", ["time"])
    expected = min(event.time for event in events)
    if "%S" not in clock:
        expected = expected.replace(second=0)
    assert inspection.estimate is not None
    assert inspection.estimate.first == expected.replace(microsecond=0).timestamp()


def test_an_ambiguous_order_of_day_and_month_is_not_guessed(tmp_path: Path) -> None:
    draw = random.Random(0)
    events = [event for event in shop_events() if event.time.day <= 12]
    draw.shuffle(events)
    columns = {**STANDARD, "timestamp": lambda event: event.time.strftime("%d/%m/%Y %H:%M:%S")}
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns, events))])
    assert "the time" in inspection.problem
    assert "# time: {column: timestamp, unit: '%m/%d/%Y %H:%M:%S'" in inspection.text
    assert "\n        time:" not in inspection.text


@pytest.mark.parametrize(("name", "per_second"), [("hit_seconds", 1), ("since", 1000)])
def test_a_start_and_an_offset_within_the_session_are_one_time(
    tmp_path: Path, name: str, per_second: int
) -> None:
    events = shop_events()
    start: dict[str, datetime] = {}
    for event in events:
        start.setdefault(event.session, event.time)
    columns = {
        "visit_start_time": lambda event: int(start[event.session].timestamp()),
        name: lambda event: int(per_second * (event.time - start[event.session]).total_seconds()),
        **{column: STANDARD[column] for column in ("session_id", "event_type", "product_id")},
    }
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns, events))
    unit = {1: "s", 1000: "ms"}[per_second]
    assert (table.time.column, table.time.offset, table.time.offset_unit) == (
        ["visit_start_time"],
        name,
        unit,
    )
    del columns[name]
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns, events))
    assert "so no session counts as a buyer" in " ".join(inspection.text.replace("#", "").split())


@pytest.mark.parametrize(
    "format",
    [
        "%Y%m%d%H%M",
        "%d-%b-%Y %I:%M %p",
        "%d/%m/%Y %I:%M:%S p. m.",
        "%d/%m/%Y, %I:%M:%S\u202fp.\u00a0m.",
        "%a %b %d %H:%M:%S +0000 %Y",
        "%d.%m.%y, %H:%M",
        "%d-%b-%y %I.%M.%S.%f %p",
        "%Y-%m-%dT%H:%M:%S+00:00[Europe/London]",
        "/Date(%s000)/",
        "%Y-%j",
        "%Y-%jT%H:%M:%SZ",
    ],
)
def test_further_ways_to_write_a_time(tmp_path: Path, format: str) -> None:
    events = [event for event in shop_events() if event.time.hour >= 12 or "p." not in format]
    seconds = {event: str(int(event.time.timestamp())) for event in events}
    columns = {
        **STANDARD,
        "timestamp": lambda event: event.time.strftime(format.replace("%s", seconds[event])),
    }
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns, events))
    assert inspection.estimate is not None
    first = min(event.time for event in events).timestamp()
    unit = 86_400 if format == "%Y-%j" else 60
    assert first - unit < inspection.estimate.first <= first


def test_how_to_rewrite_ticks_of_net_is_said(tmp_path: Path) -> None:
    ticks = 621_355_968_000_000_000
    columns = {**STANDARD, "timestamp": lambda event: int(event.time.timestamp() * 1e6) * 10 + ticks}
    inspection = inspect([str(write_csv(tmp_path / "log.csv", columns))])
    assert f"subtract {ticks}, divide by 10" in inspection.problem


def test_a_date_with_an_hour_is_no_number_since_1970(tmp_path: Path) -> None:
    columns = {**STANDARD, "timestamp": lambda event: event.time.strftime("%Y%m%d%H")}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert table.time.unit == "%Y%m%d%H" and "whole hours" in inspection.text


def test_days_as_excel_counts_them(tmp_path: Path) -> None:
    columns = {**STANDARD, "timestamp": lambda event: f"{event.time.timestamp() / 86400 + 25569:.8f}"}
    inspection, _, table = read(write_csv(tmp_path / "log.csv", columns))
    assert (table.time.unit, table.time.origin) == ("d", "1899-12-30")
    assert inspection.estimate is not None
    first = min(event.time for event in shop_events()).timestamp()
    assert inspection.estimate.first == pytest.approx(first, abs=0.01)
    assert "whole days" not in inspection.text


def test_a_time_of_day_with_spanish_halves_of_the_day(tmp_path: Path) -> None:
    columns = {
        **{name: STANDARD[name] for name in ("user_id", "event_type", "product_id")},
        "date": lambda event: f"{event.time:%d/%m/%Y}",
        "time": lambda event: f"{event.time:%I:%M:%S} {'a' if event.time.hour < 12 else 'p'}. m.",
    }
    inspection, _, _ = read(write_csv(tmp_path / "log.csv", columns))
    assert inspection.estimate is not None
    assert inspection.estimate.first == int(min(event.time for event in shop_events()).timestamp())
