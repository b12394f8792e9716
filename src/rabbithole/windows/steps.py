"""The steps of sessions as columns, before they are encoded."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

CALENDAR = ("hour", "weekday", "month", "week")
LAST_WEEK = 53
"""The largest value of a calendar field."""

QUARTER_HOUR = 15 * 60 * 1_000_000
"""Microseconds. Every UTC offset in use is a multiple of a quarter of an hour."""

LISTS = ["timestamp", "event", "item", "category", "cost"]
"""The list columns of a session from which its steps are made."""


@dataclass(frozen=True)
class Steps:
    """Steps of sessions, one session after the other.

    offsets: int64 [sessions + 1]; categorical: by field, [steps], in the order of `CATEGORICAL`: event, item
    and category are strings or dictionaries of strings (null: missing), calendar fields are int32;
    numeric: by field, float64 [steps]: dwell is the seconds since the previous event, NaN at a session's
    first event, cost is NaN where it is unknown.
    """

    offsets: NDArray[np.int64]
    categorical: dict[str, pa.Array]
    numeric: dict[str, NDArray[np.float64]]


def last_steps(sessions: pa.Table, length: int, timezone: str) -> Steps:
    """Return each session's last `length` steps."""
    ends = _ends(sessions)
    return _steps(sessions, np.maximum(ends - length, np.append(0, ends[:-1])), ends, timezone)


def first_steps(sessions: pa.Table, length: int, timezone: str) -> Steps:
    """Return each session's first `length` steps."""
    ends = _ends(sessions)
    begins = np.append(0, ends[:-1])
    return _steps(sessions, begins, np.minimum(begins + length, ends), timezone)


def _ends(sessions: pa.Table) -> NDArray[np.int64]:
    """Return the position after each session's last event, among all events."""
    return np.cumsum(pc.list_value_length(sessions["timestamp"]).to_numpy()).astype(np.int64)


def _steps(sessions: pa.Table, begins: NDArray[np.int64], ends: NDArray[np.int64], timezone: str) -> Steps:
    flat = {name: pc.list_flatten(sessions[name]).combine_chunks() for name in LISTS}
    times = flat.pop("timestamp").cast(pa.int64()).to_numpy()
    # The previous event counts even if it is outside the window.
    dwell = np.diff(times, prepend=times[:1]) / 1e6
    dwell[np.append(0, _ends(sessions)[:-1])] = np.nan
    offsets = np.append(0, np.cumsum(ends - begins)).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], np.diff(offsets))
    categorical = {name: values.take(pa.array(rows)) for name, values in flat.items()}
    cost = categorical.pop("cost").to_numpy(zero_copy_only=False).astype(np.float64)
    return Steps(offsets, categorical | calendar(times[rows], timezone), {"dwell": dwell[rows], "cost": cost})


def calendar(times: NDArray[np.int64], timezone: str) -> dict[str, pa.Array]:
    """Return hour (0 to 23), weekday (1 to 7, Monday first), month and ISO week of times, int32 [n] each.

    times: int64 microseconds since 1970 in UTC; the fields are those of the clock in `timezone`.
    """
    quarters = times // QUARTER_HOUR
    first = int(quarters.min()) if len(quarters) else 0
    count = int(quarters.max(initial=first)) - first + 1
    local = pd.DatetimeIndex((first + np.arange(count)) * QUARTER_HOUR * 1000, tz="UTC").tz_convert(timezone)
    values = (local.hour, local.weekday + 1, local.month, local.isocalendar().week)
    return {
        name: pa.array(np.asarray(value, np.int32)[quarters - first])
        for name, value in zip(CALENDAR, values, strict=True)
    }
