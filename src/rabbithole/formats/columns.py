"""Columns of text become columns of values; what can't, gets its reason in plain words.

All checks take whole columns. The first check that a row fails gives its reason.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FIRST_YEAR, LAST_YEAR = 1990, 2099
"""The years that a log may be of. Broken clocks say others, and one such event would move the log's end."""
HIGHEST_COST = 1e9
ISO_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,6})?)?)?(Z|[+-]\d{2}(:?\d{2})?)$"
"""Every shape of time that Arrow can cast to a time with a zone: a line's verdict must not hang on others."""

TIME = pa.timestamp("us", "UTC")


class RowChecks:
    """The reasons of a table's rows: null as long as a row has failed nothing."""

    def __init__(self, rows: int) -> None:
        self.reasons: pa.Array = pa.nulls(rows, pa.string())

    def fail(self, bad: pa.Array, reason: str | pa.Array) -> None:
        """Give the rows where `bad` is true a reason (a text, or an array of them), if they have none yet."""
        if pc.any(bad).as_py():
            chosen = pc.if_else(pc.fill_null(bad, False), reason, pa.scalar(None, pa.string()))
            self.reasons = pc.coalesce(self.reasons, chosen)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Return which rows failed, bool [rows]."""
        return self.reasons.is_valid().to_numpy(zero_copy_only=False)


def parse_identifier(values: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    """Return the values, which must be digits, as they are (string)."""
    checks.fail(pc.equal(values, ""), f"{name} is empty")
    checks.fail(pc.invert(pc.ascii_is_decimal(values)), f"{name} is not a number")
    checks.fail(pc.greater(pc.binary_length(values), 18), f"{name} has over 18 digits")
    return values


def parse_iso_time(values: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    """Return times written `2014-04-07T10:51:09.277Z`, or with an offset for Z, as timestamps (us, UTC)."""
    try:
        times = pc.cast(values, TIME)
    except pa.ArrowInvalid:
        shaped = pc.match_substring_regex(values, ISO_TIME)
        times = _cast_what_can(pc.if_else(shaped, values, pa.scalar(None, pa.string())), TIME)
    return _sensible(times, name, checks)


def parse_epoch_milliseconds(values: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    """Return times written as milliseconds since 1970 (UTC) as timestamps (us, UTC)."""
    # 14 digits reach the year 5138; past 32767 Arrow tells a wrong year, and 17 overflow microseconds.
    digits = pc.and_(pc.ascii_is_decimal(values), pc.less_equal(pc.binary_length(values), 14))
    numbers = pc.cast(pc.if_else(digits, values, pa.scalar(None, pa.string())), pa.int64())
    return _sensible(pc.cast(pc.multiply(numbers, 1000), pa.timestamp("us")).cast(TIME), name, checks)


def _sensible(times: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    if times.null_count:
        checks.fail(times.is_null(), f"{name} is not a time")
    low, high = (np.datetime64(f"{year}-01-01", "us").astype(int) for year in (FIRST_YEAR, LAST_YEAR + 1))
    numbers = times.cast(pa.int64())
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is not None and (bounds["min"] < low or bounds["max"] >= high):
        outside = pc.or_(pc.less(numbers, int(low)), pc.greater_equal(numbers, int(high)))
        years = pc.year(times).cast(pa.string())
        text = pc.binary_join_element_wise(
            f"{name} is in the year ", years, f", not {FIRST_YEAR} to {LAST_YEAR}", ""
        )
        checks.fail(outside, text)
    return times


def parse_price(values: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    """Return prices, plain or written `n5880.000`, as float64; empty is null, and none may be absurd."""
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), pc.utf8_ltrim(values, "n"))
    try:
        numbers = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        shaped = pc.match_substring_regex(values, r"^[+-]?[0-9.eE+-]+$")
        numbers = _cast_what_can(pc.if_else(shaped, values, pa.scalar(None, pa.string())), pa.float64())
    finite = pc.fill_null(pc.is_finite(numbers), False)
    checks.fail(pc.and_(values.is_valid(), pc.invert(finite)), f"{name} is not a number")
    checks.fail(pc.less(numbers, 0.0), f"{name} is negative")
    checks.fail(pc.greater(numbers, HIGHEST_COST), f"{name} is over {HIGHEST_COST:,.0f}")
    return numbers


def require_one_of(values: pa.Array, allowed: list[str], name: str, checks: RowChecks) -> pa.Array:
    """Return the values, which must be among the allowed ones."""
    known = pc.is_in(values, value_set=pa.array(allowed))
    if not pc.all(known).as_py():
        checks.fail(
            pc.invert(known),
            pc.binary_join_element_wise(f"unknown {name} '", pc.utf8_slice_codeunits(values, 0, 40), "'", ""),
        )
    return values


def _cast_what_can(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast the values that can be cast, by halving where some can't; the others become null."""
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, kind)
        middle = len(values) // 2
        return pa.concat_arrays([_cast_what_can(half, kind) for half in (values[:middle], values[middle:])])
