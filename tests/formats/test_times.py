"""Times of any log: a value is read by its own text alone, however it is written."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
