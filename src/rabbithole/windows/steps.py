"""The steps of sessions as columns: what the encoder counts and encodes, nothing coded yet."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

CALENDAR = ("hour", "weekday", "month", "week")
LAST_WEEK = 53
"""The largest value that a field of the calendar has."""

QUARTER = 15 * 60 * 1_000_000
"""Microseconds of a quarter of an hour, of which every offset from UTC in use is a multiple."""

COLUMNS = ["timestamp", "event", "item", "category", "cost"]
"""The lists of a session that its steps are made of."""


@dataclass(frozen=True)
class Steps:
    """Steps of sessions, one session after the other.

    `offsets`: int64 [sessions + 1]; `fields`: each categorical field [steps], strings for event, item and
    category, or dictionaries and codes of them (null: missing), int32 for the calendar's; `dwell`: float64
    [steps], seconds since the event before, NaN at a session's first; `cost`: float64 [steps], NaN where it
    is not known.
    """

    offsets: NDArray[np.int64]
    fields: dict[str, pa.Array]
    dwell: NDArray[np.float64]
    cost: NDArray[np.float64]


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
    return np.cumsum(pc.list_value_length(sessions["timestamp"]).to_numpy()).astype(np.int64)


def _steps(sessions: pa.Table, begins: NDArray[np.int64], ends: NDArray[np.int64], timezone: str) -> Steps:
    flat = {name: pc.list_flatten(sessions[name]).combine_chunks() for name in COLUMNS}
    times = flat.pop("timestamp").cast(pa.int64()).to_numpy()
    # The time since the event before is the session's own, also where that event is outside the window.
    dwell = np.diff(times, prepend=times[:1]) / 1e6
    dwell[np.append(0, _ends(sessions)[:-1])] = np.nan
    offsets = np.append(0, np.cumsum(ends - begins)).astype(np.int64)
    places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], np.diff(offsets))
    taken = {name: values.take(pa.array(places)) for name, values in flat.items()}
    cost = taken.pop("cost").to_numpy(zero_copy_only=False).astype(np.float64)
    return Steps(offsets, taken | calendar(times[places], timezone), dwell[places], cost)


def calendar(times: NDArray[np.int64], timezone: str) -> dict[str, pa.Array]:
    """Return hour (0 to 23), weekday (1 to 7, Monday first), month and ISO week of times, int32 [n].

    `times`: int64 microseconds since 1970 in UTC; read on the clocks of `timezone`.
    """
    quarters = times // QUARTER
    first = int(quarters.min(initial=0)) if len(quarters) == 0 else int(quarters.min())
    count = int(quarters.max(initial=first)) - first + 1
    local = pd.DatetimeIndex((first + np.arange(count)) * QUARTER * 1000, tz="UTC").tz_convert(timezone)
    values = (local.hour, local.weekday + 1, local.month, local.isocalendar().week)
    return {
        name: pa.array(np.asarray(value, np.int32)[quarters - first])
        for name, value in zip(CALENDAR, values, strict=True)
    }
