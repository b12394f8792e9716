"""A value is accepted or rejected by its own text, whatever lines are read with it."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rabbithole.formats.base import format_names, raw_format
from rabbithole.formats.columns import RawColumns

TIME = dt.datetime(2014, 4, 7, 10, 51, 9, 277000, tzinfo=dt.UTC)


def column(text: str, others: list[str]) -> RawColumns:
    """Return one column `x`, a value before others."""
    return RawColumns({"x": pa.array([text, *others], pa.string())})


@pytest.mark.parametrize("others", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-04-07T10:51:09.277Z", TIME),
        ("2014-04-07 10:51:09.277000Z", TIME),
        ("2014-04-07T12:51:09.277+02:00", TIME),
        ("2014-04-07T04:51:09.277-0600", TIME),
        ("2014-04-07T10:51Z", TIME.replace(second=0, microsecond=0)),
        ("2014-04-07T10:51:09.277", None),
        ("2014-02-30T10:51:09.277Z", None),
        ("2014-04-07T24:51:09.277Z", None),
        (" 2014-04-07T10:51:09.277Z", None),
        ("", None),
    ],
)
def test_iso_times(text: str, expected: dt.datetime | None, others: list[str]) -> None:
    columns = column(text, others)
    assert columns.iso_time("x")[0].as_py() == expected
    assert columns.reasons[0].as_py() == (None if expected else "x is not a time")


@pytest.mark.parametrize("others", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("1433193132535", 1433193132.535, None),
        ("14331931325x5", None, "not a time"),
        ("-1433193132535", None, "not a time"),
        ("9" * 14, None, "year 5138"),
        ("9" * 15, None, "not a time"),
        ("1433193132", None, "year 1970"),
    ],
)
def test_epoch_times(text: str, expected: float | None, reason: str | None, others: list[str]) -> None:
    columns = column(text, others)
    times = columns.epoch_milliseconds("x")
    if reason:
        assert reason in columns.reasons[0].as_py()
    else:
        assert columns.reasons[0].as_py() is None
        assert times[0].as_py().timestamp() == expected


@pytest.mark.parametrize("others", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("523", 523.0, None),
        ("n5880.000", 5880.0, None),
        ("", None, None),
        ("-1", None, "negative"),
        ("1e10", None, "over 1,000,000,000"),
        ("inf", None, "not a number"),
        ("nan", None, "not a number"),
        ("5 EUR", None, "not a number"),
        ("1e", None, "not a number"),
        ("-", None, "not a number"),
    ],
)
def test_prices(text: str, expected: float | None, reason: str | None, others: list[str]) -> None:
    columns = column(text, others)
    price, rejected_for = columns.price("x")[0].as_py(), columns.reasons[0].as_py()
    if reason:
        assert reason in rejected_for
    else:
        assert (price, rejected_for) == (expected, None)


FIELD = st.text(st.characters(exclude_characters=",\r\n", codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "5",
        "0",
        "view",
        "2014-04-07T10:51Z",
        "2014-02-30T10Z",
        "1433193132535",
        "n-1",
        "1e",
        "790",
        "categoryid",
    ]
)


@pytest.mark.parametrize("format", format_names())
@settings(deadline=None)
@given(data=st.data())
def test_any_row_gets_the_same_verdict_and_values_alone_as_among_others(
    format: str, data: st.DataObject
) -> None:
    for role in raw_format(format).roles:
        rows = data.draw(st.lists(st.tuples(*[FIELD] * len(role.columns)), min_size=2, max_size=5))

        def parse(rows: list[tuple[str, ...]], role=role) -> list[tuple]:  # type: ignore[no-untyped-def]
            texts = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
            columns = RawColumns(dict(zip(role.columns, texts, strict=True)))
            table = pa.table(role.parse(columns))
            kept = [True] * len(rows) if columns.kept is None else columns.kept.to_pylist()
            reasons = columns.reasons.to_pylist()
            # Values of rejected rows do not matter: nobody reads them.
            values = [None if reason else row for row, reason in zip(table.to_pylist(), reasons, strict=True)]
            return list(zip(reasons, kept, values, strict=True))

        assert parse(rows) == [verdict for row in rows for verdict in parse([row])]
