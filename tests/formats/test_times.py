"""Times of any log: a value is read by its own text alone, however it is written."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rabbithole.formats.columns import RawColumns
from rabbithole.formats.mapping import times
from rabbithole.formats.times import parse_text
from rabbithole.specs.table import TableSpec

NOON = dt.datetime(2019, 10, 1, 12, tzinfo=dt.UTC)
FRACTION = NOON.replace(microsecond=123456)


def parsed(text: str | None, unit: str, zone: str, others: list[str]) -> dt.datetime | None:
    """Return the time of a text that is read before others, None if it is none."""
    times = parse_text(pa.array([text, *others], pa.string()), unit, zone)
    if not times.valid[0]:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(times.microseconds[0]))


@pytest.mark.parametrize(
    "others", [[], ["nonsense", "2019-01-01"], ["1569931200"]], ids=["alone", "bad", "number"]
)
@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2019-10-01 12:00:00 UTC", "auto", NOON),
        ("2019-10-01T12:00:00Z", "auto", NOON),
        ("2019-10-01T14:00:00+02:00", "auto", NOON),
        ("2019-10-01 06:00:00.000 -0600", "auto", NOON),
        ("2019-10-01 12:00", "auto", NOON),
        ("20191001 12:00:00", "auto", NOON),
        ("20191001120000", "auto", NOON),
        ("2019-10-01 12:00:00,123456", "auto", FRACTION),
        ("2019-10-01T12:00:00.123456789Z", "auto", FRACTION),
        ("2019-10-01", "auto", NOON.replace(hour=0)),
        ("1569931200", "auto", NOON),
        ("1569931200.123456", "auto", FRACTION),
        ("1569931200000", "auto", NOON),
        ("1569931200123456", "auto", FRACTION),
        ("1569931200123456789", "auto", FRACTION),
        ("1.5699312E9", "auto", NOON),
        ("1569931200123456789", "ns", FRACTION),
        ("/Date(1569931200000+0200)/", "auto", NOON),
        ("2019-274 12:00:00", "%Y-%j %H:%M:%S", NOON),
        ("2019-366 12:00:00", "%Y-%j %H:%M:%S", None),
        ("2019274", "%Y%j", NOON.replace(hour=0)),
        ("01/10/2019 12:00", "%d/%m/%Y %H:%M", NOON),
        ("Oct 1, 2019 12:00 PM", "%b %d, %Y %I:%M %p", NOON),
        ("1.10.19 12:00:00.123456 +0000", "%d.%m.%y %H:%M:%S.%f %z", FRACTION),
        ("2019-02-30", "auto", None),
        ("2019-13-01", "auto", None),
        ("2019-10-01 24:00:00", "auto", None),
        ("2019-10-01 23:59:60", "auto", None),
        ("2019-10-01T12:00:00+99:00", "auto", None),
        ("12", "auto", None),
        ("99999999999999999999", "auto", None),
        ("-1569931200", "s", None),
        ("31/02/2019 12:00", "%d/%m/%Y %H:%M", None),
        ("Okt 1, 2019 12:00 PM", "%b %d, %Y %I:%M %p", None),
        ("Oct 1, 2019 13:00 PM", "%b %d, %Y %I:%M %p", None),
        ("", "auto", None),
        (None, "auto", None),
    ],
)
def test_times(text: str | None, unit: str, expected: dt.datetime | None, others: list[str]) -> None:
    assert parsed(text, unit, "UTC", others) == expected


@pytest.mark.parametrize("others", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
@pytest.mark.parametrize(
    ("text", "hour"),
    [("2019-07-01 12:00", 10), ("2019-10-27 02:30", 0.5), ("2019-03-31 02:30", 1), ("2019-07-01T12:00Z", 12)],
    ids=["summer", "twice: the first", "never: when clocks go forward", "its own zone"],
)
def test_times_without_a_zone_are_local(text: str, hour: float, others: list[str]) -> None:
    time = parsed(text, "iso", "Europe/Berlin", others)
    assert time is not None
    assert time.hour + time.minute / 60 == hour


def test_a_wrong_unit_is_named_with_the_right_one() -> None:
    for unit, text, words in (
        ("ms", "1569931200", "event_time is in the year 1970, not 1990 to 2099: is its unit s, not ms?"),
        ("s", "1569931200000", "event_time is in the year 51719, not 1990 to 2099: is its unit ms, not s?"),
        ("s", "12", "event_time is in the year 1970, not 1990 to 2099"),
    ):
        table = TableSpec.model_validate(
            {"session": "s", "event": "view", "time": {"column": "event_time", "unit": unit}}
        )
        columns = RawColumns({"event_time": pa.array([text])})
        times(columns, table)
        assert columns.reasons.to_pylist() == [words]


@given(
    texts=st.lists(
        st.one_of(
            st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2099, 1, 1)).map(str),
            st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2099, 1, 1)).map(lambda t: f"{t.isoformat()}Z"),
            st.integers(0, 10**20).map(str),
            st.text("0123456789-:. TZ+UC", max_size=25),
        ),
        min_size=2,
        max_size=6,
    ),
    unit=st.sampled_from(["auto", "iso", "s", "ms", "us", "ns"]),
)
def test_a_time_is_the_same_alone_as_among_others(texts: list[str], unit: str) -> None:
    for zone in ("UTC", "America/New_York"):
        assert parsed(texts[0], unit, zone, texts[1:]) == parsed(texts[0], unit, zone, [])


@pytest.mark.parametrize(
    ("time", "cells", "expected"),
    [
        ({"column": "a", "unit": "d", "origin": "2020-01-01"}, ["31"], "2020-02-01 00:00"),
        ({"column": "a", "unit": "s", "origin": dt.date(2020, 1, 1)}, ["3600.5"], "2020-01-01 01:00:00.500"),
        (
            {"column": "a", "unit": "h", "origin": "2020-07-01T06:00", "zone": "Europe/Paris"},
            ["0"],
            "2020-07-01 04:00",
        ),
        ({"column": "a", "unit": "%m%d", "origin": "2014-01-01"}, ["828"], "2014-08-28 00:00"),
        ({"column": "a", "unit": "%m%d", "origin": "2014-01-01"}, ["1111"], "2014-11-11 00:00"),
        (
            {"column": ["a", "b", "c"], "joined": True, "unit": "%Y %m %d"},
            ["2008", "4", "11"],
            "2008-04-11 00:00",
        ),
        (
            {"column": "a", "unit": "d", "origin": "2020-01-01", "offset": "b", "offset_unit": "clock"},
            ["1", "631"],
            "2020-01-02 06:31",
        ),
        ({"column": "a", "offset": "b", "offset_unit": "clock"}, ["2020-01-01", "5"], "2020-01-01 00:05"),
        (
            {"column": "a", "offset": "b", "offset_unit": "clock"},
            ["2020-01-01", "14:30:05"],
            "2020-01-01 14:30:05",
        ),
        ({"column": "a", "offset": "b", "offset_unit": "h"}, ["2020-01-01", "23"], "2020-01-01 23:00"),
        (
            {"column": "a", "offset": "b", "offset_unit": "clock"},
            ["2020-01-01", "2460"],
            "b is no time since the beginning of the day",
        ),
        ({"column": "a", "unit": "d", "origin": "2020-01-01"}, ["x"], "a is not a number"),
        ({"column": "a", "unit": "d", "origin": "2020-01-01"}, [""], "a is empty"),
        (
            {"column": "a", "unit": "d", "origin": "2020-01-01"},
            ["99999"],
            "a is in the year 2293, not 1990 to 2099",
        ),
        (
            {"column": ["a", "b", "c"], "joined": True, "unit": "%Y %m %d"},
            ["2008", "4", ""],
            "a and b and c is empty",
        ),
    ],
)
def test_times_that_no_column_holds_alone(time: dict[str, object], cells: list[str], expected: str) -> None:
    table = TableSpec.model_validate({"session": "s", "event": "view", "time": time})
    for typed in (False, True):
        if typed and not all(cell.isdigit() for cell in cells):
            continue
        arrays = [pa.array([int(cell)] if typed else [cell]) for cell in cells]
        columns = RawColumns(dict(zip("abc", arrays, strict=False)))
        moments = times(columns, table)
        if columns.reasons[0].is_valid:
            assert columns.reasons.to_pylist() == [expected]
        else:
            assert moments.to_pylist()[0] == dt.datetime.fromisoformat(expected).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ({"column": "a", "unit": "d"}, "needs `origin`"),
        ({"column": "a", "unit": "%m%d"}, "it must name year, month and day"),
        ({"column": "a", "unit": "iso", "origin": "2020-01-01"}, "give `unit` as one of s, ms"),
        ({"column": "a", "unit": "d", "origin": "soon"}, "'soon' is no date"),
        ({"column": "a", "unit": "d", "origin": "1066-01-01"}, "the year 1066 is not 1800 to 2099"),
        ({"column": "a", "joined": True}, "as a list"),
    ],
)
def test_times_that_contradict_themselves_are_refused(time: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TableSpec.model_validate({"session": "s", "event": "view", "time": time})
