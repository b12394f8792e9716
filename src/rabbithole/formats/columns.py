"""Parse columns of text into typed columns; a value that does not parse gives its row a reason.

Every check covers a whole column. A value is accepted or rejected by its own text alone, never because of
the lines that are read together with it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FIRST_YEAR, LAST_YEAR = 1990, 2099
"""Years of valid events. A single event from a wrong clock would move the end of the log."""

MAX_COST = 1e9

MAX_IDENTIFIER_DIGITS = 18

MAX_EPOCH_DIGITS = 14
"""14 digits of milliseconds reach the year 5138. Arrow misreads years past 32767, and 17 digits overflow."""

ISO_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,6})?)?)?(Z|[+-]\d{2}(:?\d{2})?)$"
"""Every notation that Arrow can cast to a time with a zone."""

DECIMAL = r"^[+-]?[0-9.eE+-]+$"

TIME = pa.timestamp("us", "UTC")

NULL = pa.scalar(None, pa.string())


class RawColumns:
    """The text columns of some lines, and what their parser says about each row.

    reasons: string [rows], why a row is rejected (the first check that it fails), null if it is not;
    kept: bool [rows] or None (all), the rows that the parser wants to keep; missing: texts that mean that
    there is no value.
    """

    def __init__(self, columns: Mapping[str, pa.Array]) -> None:
        self.columns = columns
        self.rows = len(next(iter(columns.values())))
        self.reasons: pa.Array = pa.nulls(self.rows, pa.string())
        self.kept: pa.Array | None = None
        self.missing: Sequence[str] = ()

    def __getitem__(self, name: str) -> pa.Array:
        values = self.columns[name]
        if not self.missing:
            return values
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return values
        absent = pc.is_in(values, value_set=pa.array(self.missing, values.type))
        return pc.if_else(absent, pa.scalar(None, values.type), values)

    def reject(self, mask: pa.Array, reason: str | pa.Array) -> None:
        """Give the rows in `mask` a reason (one text, or one per row) unless they have one."""
        if pc.any(mask).as_py():
            self.reasons = pc.coalesce(self.reasons, pc.if_else(pc.fill_null(mask, False), reason, NULL))

    def rejected(self) -> NDArray[np.bool_]:
        """Return which rows are rejected, bool [rows]."""
        return self.reasons.is_valid().to_numpy(zero_copy_only=False)

    def keep(self, mask: pa.Array) -> None:
        """Keep only the rows in `mask`; the others are valid lines that nobody needs."""
        self.kept = mask

    def leave_out(self, mask: pa.Array) -> None:
        """Drop the rows in `mask`, whatever else is wrong with them."""
        self.kept = pc.invert(mask)
        self.reasons = pc.if_else(mask, NULL, self.reasons)

    def is_in(self, name: str, *values: str) -> pa.Array:
        """Return which rows of a column hold one of the values, bool [rows]."""
        return pc.is_in(self[name], value_set=pa.array(values))

    def is_not_empty(self, name: str) -> pa.Array:
        """Return which rows of a column hold any text, bool [rows]."""
        return pc.not_equal(self[name], "")

    def constant(self, value: str) -> pa.Array:
        """Return a column with one value in all rows."""
        return pa.repeat(pa.scalar(value), self.rows)

    def text(self, name: str) -> pa.Array:
        """Return a column of text that must not be empty."""
        self.reject(pc.equal(self[name], ""), f"{name} is empty")
        return self[name]

    def word(self, name: str, *, missing: str, longest: int) -> pa.Array:
        """Return a column of ASCII letters and digits; the value `missing` becomes null."""
        values = self[name]
        self.reject(pc.invert(pc.ascii_is_alnum(values)), f"{name} is not a word or number")
        self.reject(pc.greater(pc.binary_length(values), longest), f"{name} has over {longest} characters")
        return pc.if_else(pc.equal(values, missing), NULL, values)

    def one_of(self, name: str, allowed: Sequence[str]) -> pa.Array:
        """Return a column that must hold one of the allowed values."""
        values = self[name]
        known = self.is_in(name, *allowed)
        if not pc.all(known).as_py():
            start = pc.utf8_slice_codeunits(values, 0, 40)
            self.reject(pc.invert(known), pc.binary_join_element_wise(f"unknown {name} '", start, "'", ""))
        return values

    def identifier(self, name: str) -> pa.Array:
        """Return a column of digits, as text."""
        values = self.text(name)
        self.digits(name)
        too_long = pc.greater(pc.binary_length(values), MAX_IDENTIFIER_DIGITS)
        self.reject(too_long, f"{name} has over {MAX_IDENTIFIER_DIGITS} digits")
        return values

    def digits(self, name: str, label: str | None = None, *, where: pa.Array | None = None) -> None:
        """Reject rows whose value is not all digits; only rows in `where` are checked, if it is not None.

        label: the name in the reason.
        """
        mask = pc.invert(pc.ascii_is_decimal(self[name]))
        self.reject(mask if where is None else pc.and_(where, mask), f"{label or name} is not a number")

    def iso_time(self, name: str) -> pa.Array:
        """Return times written as `2014-04-07T10:51:09.277Z`, or with an offset in place of Z, as `TIME`."""
        values = self[name]
        try:
            times = pc.cast(values, TIME)
        except pa.ArrowInvalid:
            shaped = pc.match_substring_regex(values, ISO_TIME)
            times = cast_valid(pc.if_else(shaped, values, NULL), TIME)
        return self._plausible(times, name)

    def epoch_milliseconds(self, name: str) -> pa.Array:
        """Return times written as milliseconds since 1970 (UTC) as `TIME`."""
        values = self[name]
        short = pc.less_equal(pc.binary_length(values), MAX_EPOCH_DIGITS)
        valid = pc.and_(pc.ascii_is_decimal(values), short)
        numbers = pc.cast(pc.if_else(valid, values, NULL), pa.int64())
        return self._plausible(pc.cast(pc.multiply(numbers, 1000), pa.timestamp("us")).cast(TIME), name)

    def _plausible(self, times: pa.Array, name: str) -> pa.Array:
        """Return the times; reject those that are null or outside the valid years."""
        if times.null_count:
            self.reject(times.is_null(), f"{name} is not a time")
        low, high = (np.datetime64(f"{year}-01-01", "us").astype(int) for year in (FIRST_YEAR, LAST_YEAR + 1))
        numbers = times.cast(pa.int64())
        bounds = pc.min_max(numbers).as_py()
        if bounds["min"] is not None and (bounds["min"] < low or bounds["max"] >= high):
            outside = pc.or_(pc.less(numbers, int(low)), pc.greater_equal(numbers, int(high)))
            year = pc.year(times).cast(pa.string())
            end = f", not {FIRST_YEAR} to {LAST_YEAR}"
            self.reject(outside, pc.binary_join_element_wise(f"{name} is in the year ", year, end, ""))
        return times

    def price(
        self,
        name: str,
        label: str | None = None,
        *,
        where: pa.Array | None = None,
        zero_is_missing: bool = False,
    ) -> pa.Array:
        """Return prices, plain or written as `n5880.000`, as float64; an empty value becomes null.

        label: the name in the reason. Rows outside `where`, if it is not None, become null unchecked. With
        `zero_is_missing`, 0 becomes null.
        """
        label = label or name
        absent = pc.equal(self[name], "")
        if where is not None:
            absent = pc.or_(absent, pc.invert(where))
        values = pc.if_else(absent, NULL, pc.utf8_ltrim(self[name], "n"))
        try:
            numbers = pc.cast(values, pa.float64())
        except pa.ArrowInvalid:
            shaped = pc.match_substring_regex(values, DECIMAL)
            numbers = cast_valid(pc.if_else(shaped, values, NULL), pa.float64())
        finite = pc.fill_null(pc.is_finite(numbers), False)
        self.reject(pc.and_(values.is_valid(), pc.invert(finite)), f"{label} is not a number")
        self.reject(pc.less(numbers, 0.0), f"{label} is negative")
        self.reject(pc.greater(numbers, MAX_COST), f"{label} is over {MAX_COST:,.0f}")
        if zero_is_missing:
            return pc.if_else(pc.equal(numbers, 0.0), pa.scalar(None, pa.float64()), numbers)
        return numbers


def cast_valid(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast the values that can be cast; the others become null. Halves the column until a cast succeeds."""
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, kind)
        middle = len(values) // 2
        return pa.concat_arrays([cast_valid(values[:middle], kind), cast_valid(values[middle:], kind)])
