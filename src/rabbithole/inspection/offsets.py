"""Find the column that says how long after a date or a session's start an event was."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.inspection.columns import Column, pairs
from rabbithole.inspection.roles import CAN_BE, choose

DAY_SECONDS = 86_400.0

LONG_OFFSET = 10_000.0
"""A median offset above this is in milliseconds: three hours are no usual time within a session."""

STANDS_STILL = (
    "it is the same for all events of a session: a purchase is then at the time of the views and not after "
    "them, so no session counts as a buyer"
)


def numbers(column: Column) -> NDArray[np.float64]:
    """Return a column of offsets as float64 [rows], nan where there is none."""
    texts = pc.replace_substring(column.values, ",", ".")
    plain = pc.if_else(pc.match_substring_regex(texts, r"^\d+(\.\d*)?$"), texts, None)
    values: NDArray[np.float64] = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def stands_still(time: Column, session: Column) -> bool:
    """Return whether all events of a session have the same time."""
    return time.rows > 1.5 * session.distinct and pairs(time, session) <= 1.05 * session.distinct


def offset_in_session(columns: Sequence[Column], session: Column) -> Column | None:
    """Return the column with the time since the session's start, by its name or as it starts at zero."""
    candidates = [column for column in columns if CAN_BE["offset"](column) and column.distinct > 20]
    named = choose("offset", candidates).column
    if named is not None:
        return named
    rising = [column for column in candidates if _starts_at_zero(column, session)]
    return rising[0] if len(rising) == 1 else None


def _starts_at_zero(column: Column, session: Column) -> bool:
    """Return whether the smallest value of nearly every session is zero, or nearly so by all values."""
    values = numbers(column)
    table = pa.table({"session": session.values, "value": pa.array(values, from_pandas=True)})
    least = table.drop_null().group_by("session").aggregate([("value", "min")])["value_min"]
    return bool(
        (pc.mean(pc.less_equal(least, 0.01 * np.nanmedian(values)).cast(pa.float64())).as_py() or 0.0) > 0.9
    )


def offset_unit(column: Column, *, of_day: bool) -> Literal["s", "ms"]:
    """Return the unit of offsets, by their name or else their size. of_day: whether they follow a date."""
    words = set(column.words)
    if words & {"ms", "msec", "millis", "milliseconds"}:
        return "ms"
    if words & {"s", "sec", "secs", "seconds"}:
        return "s"
    values = numbers(column)
    if of_day:
        return "ms" if np.nanmax(values) > DAY_SECONDS else "s"
    return "ms" if np.nanmedian(values) > LONG_OFFSET else "s"
