"""Steps of sessions: the values of each field, before they are encoded."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.artifacts.data import Fields
from rabbithole.sessions.session_task import HISTORY

CALENDAR = ("hour", "weekday", "month", "week")
LAST_WEEK = 53
"""The largest value of a calendar field."""

QUARTER_HOUR = 15 * 60 * 1_000_000
"""Microseconds. Every UTC offset in use is a multiple of a quarter of an hour."""


@dataclass(frozen=True)
class Steps:
    """Steps of sessions, one session after the other.

    offsets: int64 [sessions + 1]; categorical: by field, [steps]: calendar fields are int32, all others
    strings or dictionaries of strings (null: missing); numeric: by field, float64 [steps], NaN where it is
    unknown: dwell is the seconds since the previous event, of the session or its history, NaN where there is
    none.
    """

    offsets: NDArray[np.int64]
    categorical: dict[str, pa.Array]
    numeric: dict[str, NDArray[np.float64]]


def step_columns(fields: Fields) -> list[str]:
    """Return the columns of sessions from which steps with these fields are made."""
    return ["timestamp", *(name for name in fields.names if name not in (*CALENDAR, "dwell"))]


def last_steps(sessions: pa.Table, fields: Fields, length: int, timezone: str) -> Steps:
    """Return each session's last `length` steps, after its history.

    The history is the same whatever the session's length. If it filled what the session leaves of its window,
    it would reveal a running session's later length.
    """
    begins, ends = _own_bounds(sessions)
    return _steps(sessions, fields, np.maximum(ends - length, begins), ends, timezone)


def first_steps(sessions: pa.Table, fields: Fields, length: int, timezone: str) -> Steps:
    """Return each session's first `length` steps, after its history."""
    begins, ends = _own_bounds(sessions)
    return _steps(sessions, fields, begins, np.minimum(begins + length, ends), timezone)


def _own_bounds(sessions: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each session's own events begin and end, among all events and those of histories."""
    ends = np.cumsum(pc.list_value_length(sessions["timestamp"]).to_numpy()).astype(np.int64)
    return np.append(0, ends[:-1]) + _history(sessions), ends


def _history(sessions: pa.Table) -> NDArray[np.int64]:
    """Return the number of events of each session's history, int64 [n]."""
    if HISTORY not in sessions.column_names:
        return np.zeros(len(sessions), np.int64)
    return np.asarray(sessions[HISTORY].to_numpy(), np.int64)


def _steps(
    sessions: pa.Table, fields: Fields, begins: NDArray[np.int64], ends: NDArray[np.int64], timezone: str
) -> Steps:
    """Return the steps of each session's whole history and of its own events `begins` to `ends`."""

    def flat(name: str) -> pa.Array:
        return pc.list_flatten(sessions[name]).combine_chunks()

    times = flat("timestamp").cast(pa.int64()).to_numpy()
    # The previous event counts even if it is outside the window.
    dwell = np.diff(times, prepend=times[:1]) / 1e6
    history, own_begins = _history(sessions), _own_bounds(sessions)[0]
    dwell[own_begins - history] = np.nan
    counts = history + ends - begins
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    # Where a window holds a session's last steps, those between the history and them are left out.
    skipped = np.where(place < np.repeat(history, counts), 0, np.repeat(begins - own_begins, counts))
    rows = np.repeat(own_begins - history, counts) + place + skipped
    index = pa.array(rows)
    clock = calendar(times[rows], timezone) if {*fields.categorical} & {*CALENDAR} else {}
    categorical = {
        name: clock[name] if name in CALENDAR else flat(name).take(index) for name in fields.categorical
    }
    numeric = {
        name: dwell[rows] if name == "dwell" else _finite(flat(name).take(index)) for name in fields.numeric
    }
    return Steps(offsets, categorical, numeric)


def _finite(numbers: pa.Array) -> NDArray[np.float64]:
    """Return numbers as float64, NaN where there is none, or an infinite one."""
    values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(1 + value), for negative values -log(1 - value): fields of a log may be negative."""
    return np.copysign(np.log1p(np.abs(values)), values)


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
