"""Features of numbers and of the clock: dwell times, costs, a log's further numbers, and the calendar."""

from collections.abc import Mapping

import numpy as np

from rabbithole.artifacts.data import NormaliserRecord
from rabbithole.models.features.counts import first_events
from rabbithole.models.features.steps import (
    Columns,
    Floats,
    Steps,
    at,
    natural,
    ratio,
    summary,
)
from rabbithole.windows.steps import signed_log


def number_features(steps: Steps, field: str, values: Floats) -> Columns:
    """Return mean, extremes, spread, sum, unknown share, first and last known value of numbers [total]."""
    statistics = summary(steps, values)
    known = ~np.isnan(values)
    return {
        f"{field}: mean": statistics.mean,
        f"{field}: lowest": statistics.lowest,
        f"{field}: highest": statistics.highest,
        f"{field}: standard deviation": statistics.spread,
        f"{field}: sum": statistics.total,
        f"{field}: unknown share": statistics.unknown,
        f"{field}: first": at(values, steps.first_in(known)),
        f"{field}: last": at(values, steps.last_in(known)),
    }


def dwell_features(steps: Steps, seconds: Floats) -> Columns:
    """Return features of the times between events, in seconds. seconds: float64 [total].

    Besides those of any number: the mean of the last 3 steps; the trend, which is the slope of log(1 + time)
    over the steps; the last time against the mean, a difference of such logs; and the pace, events a minute.
    """
    out = number_features(steps, "dwell", seconds)
    known = ~np.isnan(seconds)
    logs = signed_log(seconds)
    mean = summary(steps, logs).mean
    total = np.asarray(out["dwell: sum"], np.float64)
    out["dwell: mean of the last 3"] = summary(steps, seconds, steps.left < 3).mean
    out["dwell: trend"] = _slope(steps, logs)
    out["dwell: last against the mean"] = at(logs, steps.last_in(known)) - mean
    # A second more, as many shops record whole seconds: a time of 0 is less than one.
    out["dwell: events a minute"] = 60 * steps.count(known) / (total + 1)
    return out


def cost_features(steps: Steps, cost: Floats, events: Mapping[int, str]) -> Columns:
    """Return features of the costs of all events, and of those of each kind, such as carts.

    Costs are in the log's currency. events: names of the kinds by code.
    """
    out = number_features(steps, "cost", cost)
    for code, name in first_events(events).items():
        here = summary(steps, cost, steps.codes("event") == code)
        out[f"event {name}: mean cost"] = here.mean
        out[f"event {name}: highest cost"] = here.highest
    return out


def calendar_features(steps: Steps, field: str) -> Columns:
    """Return the code of a calendar field at the first and the last step; codes are in the order of time."""
    codes = steps.codes(field)
    return {f"{field}: first": codes[steps.starts], f"{field}: last": codes[steps.ends - 1]}


def own_seconds(steps: Steps, scale: NormaliserRecord) -> Floats:
    """Return dwell times in seconds, float64 [total], NaN before a session's first event.

    With history, that place holds the pause since the session before, which is no time within this one.
    """
    seconds = natural(steps.numbers("dwell"), scale)
    seconds[(steps.place == 0) & (steps.windows.history[steps.rows] > 0)[steps.owner]] = np.nan
    return seconds


def _slope(steps: Steps, values: Floats) -> Floats:
    """Return the least-squares slope of each range's known values over their places; NaN with one."""
    known = ~np.isnan(values)
    owner = steps.owner[known]
    count = np.bincount(owner, minlength=steps.m)
    place = steps.place[known].astype(np.float64)
    place -= ratio(np.bincount(owner, place, steps.m), count)[owner]
    moment = np.bincount(owner, place * values[known], steps.m)
    squares = np.bincount(owner, place**2, steps.m)
    return ratio(moment, np.where(count > 1, squares, 0.0))
