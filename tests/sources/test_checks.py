"""A value's verdict hangs on the value alone, not on the lines that are read with it."""

import datetime as dt

import pyarrow as pa
import pytest

from rabbithole.formats.columns import RowChecks, parse_epoch_milliseconds, parse_iso_time, parse_price

MOMENT = dt.datetime(2014, 4, 7, 10, 51, 9, 277000, tzinfo=dt.UTC)


@pytest.mark.parametrize("beside", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-04-07T10:51:09.277Z", MOMENT),
        ("2014-04-07 10:51:09.277000Z", MOMENT),
        ("2014-04-07T12:51:09.277+02:00", MOMENT),
        ("2014-04-07T04:51:09.277-0600", MOMENT),
        ("2014-04-07T10:51Z", MOMENT.replace(second=0, microsecond=0)),
        ("2014-04-07T10:51:09.277", None),
        ("2014-02-30T10:51:09.277Z", None),
        ("2014-04-07T24:51:09.277Z", None),
        (" 2014-04-07T10:51:09.277Z", None),
        ("", None),
    ],
)
def test_iso_times(text: str, expected: dt.datetime | None, beside: list[str]) -> None:
    checks = RowChecks(1 + len(beside))
    times = parse_iso_time(pa.array([text, *beside]), "timestamp", checks)
    assert times[0].as_py() == expected
    assert checks.reasons[0].as_py() == (None if expected else "timestamp is not a time")


@pytest.mark.parametrize("beside", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
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
def test_epoch_times(text: str, expected: float | None, reason: str | None, beside: list[str]) -> None:
    checks = RowChecks(1 + len(beside))
    times = parse_epoch_milliseconds(pa.array([text, *beside]), "timestamp", checks)
    if reason:
        assert reason in checks.reasons[0].as_py()
    else:
        assert checks.reasons[0].as_py() is None
        assert times[0].as_py().timestamp() == expected


@pytest.mark.parametrize("beside", [[], ["nonsense"]], ids=["alone", "beside a bad line"])
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
    ],
)
def test_prices(text: str, expected: float | None, reason: str | None, beside: list[str]) -> None:
    checks = RowChecks(1 + len(beside))
    numbers = parse_price(pa.array([text, *beside]), "price", checks)
    found = checks.reasons[0].as_py()
    if reason:
        assert reason in found
    else:
        assert (numbers[0].as_py(), found) == (expected, None)
