"""Find times that no column holds alone: counts from a start that is not named, dates in several columns."""

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.times import SECONDS, parse_clock
from rabbithole.inspection.columns import Column
from rabbithole.inspection.names import CLOCK_PARTS, DATE_PARTS, squeezed
from rabbithole.inspection.roles import EXACT, Choice, Roles, name_score, numbers

ORIGIN = "2024-01-01"
"""A start for logs that name none: a Monday in a leap year."""

INVENTED = (
    "it counts from a start that the log does not name, so this `origin` is invented: give the true one if "
    "you know it. Pauses are right; hour, weekday and month are not"
)

NO_YEAR = "its values are months and days without a year, such as 1111: `origin` must be of the true year"

EXCEL, EXCEL_ORIGIN = (34_700, 55_000), "1899-12-30"
"""Days of 1995 to 2050 as Excel counts them, and from when it does."""

AS_EXCEL = "its numbers are days as Excel counts them, if they are not codes"

YEAR_DAY = r"^(19|20)\d{2}-?(00[1-9]|0[1-9]\d|[12]\d{2}|3[0-5]\d|36[0-6])$"
AS_YEAR_DAY = "its values are read as year and day of the year, such as 2024-366 for 31 December"

MONTH_DAY = r"^(0?[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
WHOLE = r"^\d{1,5}(\.0)?$"

MIN_SECONDS, MAX_SECONDS = 2 * 86_400, 10**9
"""Between these, the last number is in seconds where the name says no unit; above, in milliseconds."""

MAX_SPAN = 100 * 365 * 86_400
"""Seconds. No log is longer, so larger numbers do not count from its start."""

UNIT_WORDS = {
    "ms": {"ms", "msec", "millis", "milliseconds"},
    "s": {"s", "sec", "secs", "seconds"},
    "min": {"min", "mins", "minute", "minutes"},
    "h": {"h", "hour", "hours"},
    "d": {"d", "day", "days"},
}


def find_counted(roles: Roles, columns: Sequence[Column], block: NDArray[np.int64]) -> None:
    """Find the time of a table in which no column holds times: sets `time`, and how it is read."""
    year_days = [
        column
        for column in columns
        if max(name_score("time", column), name_score("date", column)) >= EXACT - 1
        and len(column.present)
        and _share(column, YEAR_DAY) == 1
    ]
    if len(year_days) == 1:
        roles.time = Choice(year_days[0], note=AS_YEAR_DAY)
        roles.unit = "%Y-%j" if "-" in year_days[0].present[0].as_py() else "%Y%j"
        find_time_of_day(roles, columns)
        return
    counts = [
        column
        for column in columns
        if max(name_score("time", column), name_score("date", column)) >= EXACT - 1 and _is_count(column)
    ]
    excel = [
        column
        for column in counts
        if EXCEL[0] < np.nanmin(numbers(column)) and np.nanmax(numbers(column)) < EXCEL[1]
    ]
    if len(excel) == 1:
        roles.time, roles.unit, roles.origin = Choice(excel[0], note=AS_EXCEL), "d", EXCEL_ORIGIN
        return
    if _date_in_parts(roles, columns) or _days(roles, columns, block):
        find_time_of_day(roles, columns)
        return
    counts = [column for column in columns if name_score("time", column) >= EXACT - 1 and _is_count(column)]
    if len(counts) != 1:
        return
    (column,) = counts
    if _share(column, MONTH_DAY) == 1 and column.distinct <= 366:
        roles.time, roles.unit, roles.origin = Choice(column, note=NO_YEAR), "%m%d", ORIGIN
    elif unit := _unit(column):
        roles.time, roles.unit, roles.origin = Choice(column, note=INVENTED), unit, ORIGIN


def _date_in_parts(roles: Roles, columns: Sequence[Column]) -> bool:
    """Find year, month and day in three columns. Returns whether they are there."""
    parts = [_named(columns, names, *bounds) for names, bounds in DATE_PARTS]
    if None in parts:
        return False
    first, *rest = (column for column in parts if column is not None)
    roles.time, roles.unit, roles.parts = Choice(first), "%Y %m %d", tuple(rest)
    return True


def _days(roles: Roles, columns: Sequence[Column], block: NDArray[np.int64]) -> bool:
    """Find a column that counts days. Returns whether there is one."""
    days = [column for column in columns if name_score("date", column) >= EXACT - 1]
    days = [column for column in days if _is_count(column) and _share(column, WHOLE) == 1]
    if len(days) != 1 or _named(columns, DATE_PARTS[1][0], 1, 12) is not None:
        return False
    values = numbers(days[0])
    step = np.diff(values)[np.diff(block) == 0]
    rising = bool((step[~np.isnan(step)] >= 0).mean() > 0.99) if len(step) else False
    last = np.nanmax(values)
    # A day of the month or of the week starts again.
    if last > 31 or (last > 7 and rising):
        roles.time, roles.unit, roles.origin = Choice(days[0], note=INVENTED), "d", ORIGIN
        return True
    return False


def find_time_of_day(roles: Roles, columns: Sequence[Column]) -> None:
    """Find the time of day beside a date: 14:30 or 1430, or the hour alone."""
    clocks = [
        column
        for column in columns
        if name_score("clock", column) > 0
        and column.distinct > 2
        and pc.mean(parse_clock(column.present).is_valid().cast("float64")).as_py() > 0.99
    ]
    hours = [column for column in columns if _named([column], CLOCK_PARTS, 0, 23) is not None]
    if len(clocks) == 1:
        roles.offset, roles.offset_unit = clocks[0], "clock"
    elif len(hours) == 1:
        roles.offset, roles.offset_unit = hours[0], "h"


def _named(columns: Sequence[Column], names: frozenset[str], low: int, high: int) -> Column | None:
    """Return the only column with one of some names, if its whole numbers are in a range, else None."""
    named = [column for column in columns if squeezed("".join(column.words)) in names]
    if len(named) != 1 or not len(named[0].present) or _share(named[0], WHOLE) < 1:
        return None
    values = numbers(named[0])
    return named[0] if np.nanmin(values) >= low and np.nanmax(values) <= high else None


def _is_count(column: Column) -> bool:
    """Return whether values may count from a start: numbers that are not negative, and no times."""
    return column.time is None and column.distinct > 1 and _share(column, r"^\d+([.,]\d+)?$") == 1


def _unit(column: Column) -> str:
    """Return the unit of a count, by its name or else its size; empty if neither says it."""
    named = [unit for unit, words in UNIT_WORDS.items() if not words.isdisjoint(column.words)]
    last = float(np.nanmax(numbers(column)))
    unit = named[0] if named else "" if last < MIN_SECONDS else "s" if last < MAX_SECONDS else "ms"
    return unit if not unit or last * SECONDS[unit] < MAX_SPAN else ""


def _share(column: Column, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(column.present, pattern).cast("float64")).as_py() or 0.0)
