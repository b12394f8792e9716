"""Parse times of any log: ISO 8601, numbers since 1970, formats, dates and times apart, typed columns.

Every value is read by its own text alone. A fast pass over the whole column accepts only what the slow one,
which takes texts apart by a regular expression, would read alike.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.columns import FIRST_YEAR, LAST_YEAR, TIME
from rabbithole.specs.table_columns import MONTHS, format_regex

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

SECONDS = {unit: 1 / per_second for unit, per_second in PER_SECOND.items()} | {
    "min": 60,
    "h": 3600,
    "d": 86_400,
}
"""Seconds of each unit in which times may count."""

FIRST, END = (
    int(np.datetime64(f"{year}-01-01", "s").astype(np.int64)) for year in (FIRST_YEAR, LAST_YEAR + 1)
)
"""Seconds since 1970 of the first valid moment, and of the first that is too late."""

NAIVE = pa.timestamp("us")

ISO = (
    r"^\s*(?P<Y>\d{4})-?(?P<m>\d{2})-?(?P<d>\d{2})"
    r"(?:[T ](?P<H>\d{2})(?::?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,](?P<f>\d{1,9})\d*)?)?)?)?"
    # Java writes the name of the zone behind the offset.
    r" ?(?:(?P<z>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)(?:\[[^\]]*\])?)?\s*$"
)

JSON_DATE = r"^\s*\\?/Date\((?P<ms>\d{1,15})(?:[+-]\d{4})?\)\\?/\s*$"
"""How .NET writes times in JSON: milliseconds since 1970 in UTC. An offset behind them only says the zone."""

COMPACT = r"^(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2}))?$"
"""ISO 8601 without separators: 8 or 14 digits, which no number since 1970 has."""

DATE_LENGTHS = pa.array([8, 14], pa.int32())

CLOCK = r"^\s*(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d+)?)?\s*$"

CLOCK_DIGITS = r"^\d{1,4}$"
"""A time of day without a colon, such as 1430. The last two digits are minutes, so 5 is 00:05."""

EPOCH = r"^\s*(?P<whole>\d{1,19})(?:[.,](?P<part>\d*))?\s*$"

SCIENTIFIC = r"^\d(\.\d+)?[eE]\+?\d{1,2}$"
"""How some libraries write large numbers."""


@dataclass(frozen=True)
class Times:
    """Parsed times.

    microseconds: int64 [rows], since 1970 in UTC; valid: bool [rows]; seconds: float64 [rows], the same in
    seconds, whatever the year; units: where the unit was wrong, the one that would fit, else an empty text.
    """

    microseconds: NDArray[np.int64]
    valid: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    units: NDArray[np.str_]

    @classmethod
    def of(cls, microseconds: NDArray[np.int64], valid: NDArray[np.bool_]) -> "Times":
        """Return times that are right whatever their unit."""
        return cls(microseconds, valid, microseconds / 1e6, np.full(len(valid), "", "U2"))

    def or_else(self, other: "Times") -> "Times":
        """Return these times where they are valid, else the others."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("microseconds", "seconds", "units"))
        microseconds, seconds, units = (np.where(self.valid, mine, theirs) for mine, theirs in pairs)
        return Times(microseconds, self.valid | other.valid, seconds, units)


def parse_text(texts: pa.Array, unit: str, zone: str, origin: str | None = None) -> Times:
    """Return the times of texts (string, null where missing). unit, zone, origin: as in `TimeColumn`.

    Numbers that count from an origin are not among them: see `since`.
    """
    if unit in PER_SECOND:
        return _epoch(texts, unit)
    if unit == "iso":
        return _iso(texts, zone)
    if unit == "auto":
        if _digits(texts) and not pc.any(pc.is_in(pc.binary_length(texts), DATE_LENGTHS)).as_py():
            return _epoch(texts, None)
        number = pc.fill_null(pc.match_substring_regex(texts, f"{EPOCH}|{SCIENTIFIC}"), False)
        if not pc.any(number).as_py():
            times = _iso(texts, zone)
            return times if times.valid.all() else times.or_else(_json_dates(texts))
        compact = pc.match_substring_regex(texts, r"^\d{8}(\d{6})?$")
        dates = _by_regex(pc.if_else(compact, texts, None), COMPACT, zone)
        times = dates.or_else(_epoch(pc.if_else(pc.and_(number, pc.invert(compact)), texts, None), None))
        if pc.all(number).as_py():
            return times
        return times.or_else(_iso(texts, zone)).or_else(_json_dates(texts))
    year = 1970 if origin is None else int(origin[:4])
    return _by_regex(texts, format_regex(unit, year_known=True), zone, year)


def since(numbers: pa.Array, unit: str, origin: str, zone: str) -> Times:
    """Return the times of numbers (float64, null where missing) that count from an origin."""
    start = parse_text(pa.array([origin]), "iso", zone).microseconds[0]
    counted = pc.multiply(pc.fill_null(numbers, 0.0), SECONDS[unit] * 1e6)
    # Beyond an integer, no year is valid.
    microseconds = (
        np.clip(counted.to_numpy(zero_copy_only=False), -4e18, 4e18).round().astype(np.int64) + start
    )
    return Times.of(microseconds, numbers.is_valid().to_numpy(zero_copy_only=False))


def parse_clock(texts: pa.Array) -> pa.Array:
    """Return times of day such as 14:30, 14:30:05, 1430 or 630 as seconds, float64, null where none."""
    texts = pc.fill_null(texts, "")
    digits = pc.utf8_lpad(texts, 4, "0")
    parted = pc.utf8_replace_slice(digits, 2, 2, ":")
    parts = _Groups(pc.if_else(pc.match_substring_regex(texts, CLOCK_DIGITS), parted, texts), CLOCK)
    hour, minute, second = parts.number("H"), parts.number("M"), parts.number("S")
    valid = parts.valid & (hour < 24) & (minute < 60) & (second < 60)
    return pa.array((hour * 3600 + minute * 60 + second).astype(np.float64), mask=~valid)


def parse_typed(values: pa.Array, unit: str, zone: str) -> Times:
    """Return the times of a column of timestamps, dates or numbers."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        times = values.cast(pa.timestamp("us", kind.tz), safe=False)
        return _valid_times(times if kind.tz else _localised(times, zone))
    if pa.types.is_date(kind):
        return _valid_times(_localised(values.cast(NAIVE), zone))
    if pa.types.is_floating(kind):
        # Of seconds with a fraction, six digits are kept; the rest is not exact.
        numbers = pc.round(values.cast(pa.float64()), 6)
        texts = [None if number is None else f"{number:.6f}" for number in numbers.to_pylist()]
        return parse_text(pa.array(texts, pa.string()), unit, zone)
    return parse_text(values.cast(pa.string()), unit, zone)


def _iso(texts: pa.Array, zone: str) -> Times:
    # Which notation is tried for all texts: one that fails takes longer than the regular expression.
    first = next((text.as_py() for text in texts if text.is_valid), "")
    try:
        if re.search(r"\d(Z|[+-]\d\d:?(\d\d)?)$", first[10:]):
            return _valid_times(pc.cast(texts, TIME))
        if first.endswith(" UTC") and pc.all(pc.ends_with(texts, pattern=" UTC")).as_py():
            plain = pc.utf8_slice_codeunits(texts, 0, -4)
            return _valid_times(_localised(pc.cast(plain, NAIVE), "UTC"))
        return _valid_times(_localised(pc.cast(texts, NAIVE), zone))
    except pa.ArrowInvalid:
        return _by_regex(texts, ISO, zone)


def _valid_times(times: pa.Array) -> Times:
    valid = times.is_valid().to_numpy(zero_copy_only=False)
    return Times.of(pc.fill_null(times.cast(pa.int64()), 0).to_numpy(), valid)


def _localised(times: pa.Array, zone: str) -> pa.Array:
    """Return local times as moments. Of two moments the first counts, of none the end of the gap."""
    if zone == "UTC":
        return times.cast(pa.int64()).cast(TIME)
    return pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="latest")


def _epoch(texts: pa.Array, unit: str | None) -> Times:
    """Return the times of numbers since 1970. unit: None to take it from each number's size."""
    whole, fraction, valid = _numbers(texts)
    for name, per_second in PER_SECOND.items():
        inside = (whole >= FIRST * per_second) & (whole < END * per_second)
        if (unit is None or unit == name) and inside.all():
            # Nearly always: all numbers fit one unit.
            return Times.of(_scaled(whole, fraction, per_second), valid)
    units = np.full(len(whole), "", "U2")
    for name, per_second in PER_SECOND.items():
        units[(whole >= FIRST * per_second) & (whole < END * per_second)] = name
    microseconds = np.zeros(len(whole), np.int64)
    seconds = np.zeros(len(whole), np.float64)
    for name, per_second in PER_SECOND.items():
        chosen = units == name if unit is None else np.full(len(whole), name == unit)
        inside = chosen & (units == name)
        microseconds[inside] = _scaled(whole[inside], fraction[inside], per_second)
        seconds[chosen] = whole[chosen] / per_second
    if unit is None:
        return Times(microseconds, valid & (units != ""), seconds, units)
    return Times(microseconds, valid, seconds, np.where(units == unit, "", units))


def _json_dates(texts: pa.Array) -> Times:
    """Return the times of texts such as `/Date(1700000000000)/`."""
    parts = pc.struct_field(pc.extract_regex(texts, JSON_DATE), "ms")
    return _epoch(parts, "ms")


def _digits(texts: pa.Array) -> bool:
    """Return whether all texts are digits that fit an integer."""
    short = pc.less(pc.binary_length(texts), 19)
    return texts.null_count == 0 and bool(pc.all(pc.and_(pc.ascii_is_decimal(texts), short)).as_py())


def _numbers(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the whole part of numbers, nine digits of their fraction, and which texts are numbers."""
    if _digits(texts):
        return texts.cast(pa.int64()).to_numpy(), np.zeros(len(texts), np.int64), np.ones(len(texts), bool)
    parts = _Groups(texts, EPOCH)
    whole, valid = parts.number("whole", digits=19), parts.valid
    scientific = pc.fill_null(pc.match_substring_regex(texts, SCIENTIFIC), False)
    if pc.any(scientific).as_py():
        floats = pc.if_else(scientific, texts, "0").cast(pa.float64()).to_numpy(zero_copy_only=False)
        mask = scientific.to_numpy(zero_copy_only=False)
        whole = np.where(mask, np.minimum(floats, 9e18).astype(np.int64), whole)
        valid = valid | mask
    return whole, parts.fraction("part", digits=9), valid


def _scaled(whole: NDArray[np.int64], fraction: NDArray[np.int64], per_second: int) -> NDArray[np.int64]:
    """Return numbers of a unit in microseconds. fraction: nine digits after the decimal mark."""
    if per_second > 10**6:
        return whole // (per_second // 10**6)
    return whole * (10**6 // per_second) + fraction // (1000 * per_second)


class _Groups:
    """The named groups of a regular expression in texts."""

    def __init__(self, texts: pa.Array, pattern: str) -> None:
        self.groups = pc.extract_regex(texts, pattern)
        self.valid: NDArray[np.bool_] = self.groups.is_valid().to_numpy(zero_copy_only=False)
        self.names = {self.groups.type.field(index).name for index in range(self.groups.type.num_fields)}

    def text(self, name: str) -> pa.Array:
        """Return the texts of a group, empty where it is missing."""
        return pc.fill_null(pc.struct_field(self.groups, name), "")

    def number(self, name: str, default: int = 0, digits: int = 9) -> NDArray[np.int64]:
        """Return the numbers of a group of digits, int64 [rows], or the default where it is missing."""
        if name not in self.names:
            return np.full(len(self.valid), default, np.int64)
        text = self.text(name)
        filled = pc.if_else(pc.equal(text, ""), str(default), text)
        if digits > 18:
            # Only numbers above this do not fit: they are times of no year.
            large = pc.and_(pc.equal(pc.utf8_length(filled), 19), pc.greater(filled, "9223372036854775807"))
            filled = pc.if_else(large, "9223372036854775807", filled)
        numbers: NDArray[np.int64] = filled.cast(pa.int64()).to_numpy()
        return numbers

    def fraction(self, name: str, digits: int = 6) -> NDArray[np.int64]:
        """Return the digits after a decimal mark as a number of `digits` digits; further ones are dropped."""
        if name not in self.names:
            return np.zeros(len(self.valid), np.int64)
        padded = pc.utf8_rpad(pc.utf8_slice_codeunits(self.text(name), 0, digits), digits, "0")
        numbers: NDArray[np.int64] = padded.cast(pa.int64()).to_numpy()
        return numbers


def _by_regex(texts: pa.Array, pattern: str, zone: str, default_year: int = 1970) -> Times:
    """Return the times of texts that a regular expression takes apart into named groups."""
    parts = _Groups(texts, pattern)
    year = parts.number("Y", default_year)
    if "y" in parts.names:
        short = parts.number("y")
        year = short + np.where(short < 69, 2000, 1900)
    month = parts.number("m", 1)
    if "b" in parts.names:
        month = 1 + pc.fill_null(
            pc.index_in(pc.utf8_lower(parts.text("b")), pa.array(MONTHS)), -1
        ).to_numpy().astype(np.int64)
    hour = parts.number("H")
    if "I" in parts.names:
        twelve = parts.number("I", 12)
        # No hour 0 or 13 on a clock of twelve.
        hour = np.where((twelve < 1) | (twelve > 12), 99, twelve % 12)
        if "p" in parts.names:
            hour = hour + 12 * pc.equal(pc.utf8_lower(parts.text("p")), "p").to_numpy(zero_copy_only=False)
    clock = (hour, parts.number("M"), parts.number("S"))
    day = parts.number("d", 1)
    if "j" in parts.names:
        month, day = _day_of_year(year, parts.number("j", 1))
    local, exists = _moments(year, month, day, clock, parts.fraction("f"))
    valid = parts.valid & exists
    moments = _localised(pa.array(np.where(valid, local, 0)).cast(NAIVE), zone).cast(pa.int64()).to_numpy()
    if "z" in parts.names:
        zones = parts.text("z")
        named = pc.not_equal(zones, "").to_numpy(zero_copy_only=False)
        offset, sane = _offsets(zones)
        moments, valid = np.where(named, local - offset, moments), valid & sane
    return Times.of(np.where(valid, moments, 0), valid)


def _day_of_year(
    year: NDArray[np.int64], number: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return month and day of days of a year, which count from 1. The day is 0 where there is none."""
    years = (year - 1970).astype("datetime64[Y]")
    days = years.astype("datetime64[D]") + (number - 1)
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    return month, np.where(days.astype("datetime64[Y]") == years, day, 0)


def _moments(
    year: NDArray[np.int64],
    month: NDArray[np.int64],
    day: NDArray[np.int64],
    clock: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    micro: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return microseconds since 1970 in the times' own zone, and whether such a time exists."""
    hour, minute, second = clock
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    exists &= (hour < 24) & (minute < 60) & (second < 60)
    seconds = ((first + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    return seconds * 10**6 + micro, exists


def _offsets(zones: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the offset from UTC of texts such as +02:00 and Z in microseconds, and whether it is sane."""
    digits = pc.replace_substring(zones, ":", "")
    signed = pc.match_substring_regex(zones, r"^[+-]").to_numpy(zero_copy_only=False)
    hours = pc.if_else(pa.array(signed), pc.utf8_slice_codeunits(digits, 1, 3), "0")
    minutes = pc.if_else(pa.array(signed), pc.utf8_slice_codeunits(digits, 3, 5), "0")
    hour = hours.cast(pa.int64()).to_numpy()
    minute = pc.if_else(pc.equal(minutes, ""), "0", minutes).cast(pa.int64()).to_numpy()
    sign = np.where(pc.starts_with(zones, "-").to_numpy(zero_copy_only=False), -1, 1)
    return sign * (hour * 3600 + minute * 60) * 10**6, (hour < 24) & (minute < 60)
