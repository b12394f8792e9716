"""Flat steps of many prefixes, and the sums and extremes per prefix that features are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import NormaliserRecord
from rabbithole.windows.arrays import Windows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

Columns = dict[str, NDArray[np.generic]]
"""Features by name, each [m]."""

MAX_MAGNITUDE = 1e30
"""Larger numbers, of either sign, are cut to this, so that neither their squares nor float32 overflow."""

MAX_EVENTS = 8
"""Kinds of events with features of their own, the most frequent ones."""


@dataclass(frozen=True)
class Prefixes:
    """The first steps of sessions, each to be summarised as one row.

    rows: int64 [m], the session's index; steps: int64 [m], 1 or more, the number of its own first steps,
    without those of its history.
    """

    rows: Ints
    steps: Ints


class Steps:
    """Ranges of steps of sessions, one range after the other; `total` steps of m ranges.

    rows: int64 [m], the session of each range; counts: int64 [m], the steps of each range; owner: int64
    [total], the range of each step; starts, ends: int64 [m], each range's first step, and the one after its
    last; place, left: int64 [total], the steps of the range before and after a step.
    """

    def __init__(self, windows: Windows, rows: Ints, begins: Ints, counts: Ints) -> None:
        self.windows, self.rows, self.counts, self.m = windows, rows, counts, len(counts)
        self.owner = np.repeat(np.arange(self.m), counts)
        self.ends = np.cumsum(counts)
        self.starts = self.ends - counts
        self.place = np.arange(len(self.owner)) - self.starts[self.owner]
        self.left = counts[self.owner] - 1 - self.place
        self._index = begins[self.owner] + self.place
        self._codes: dict[str, Ints] = {}

    def __contains__(self, field: str) -> bool:
        return field in self.windows.fields.names

    def codes(self, field: str) -> Ints:
        """Return the codes of a categorical field, int64 [total]."""
        if field not in self._codes:
            column = self.windows.fields.categorical.index(field)
            self._codes[field] = self.windows.codes[self._index, column].astype(np.int64)
        return self._codes[field]

    def numbers(self, field: str) -> Floats:
        """Return the normalised values of a numeric field, float64 [total], NaN where there is none."""
        column = self.windows.fields.numeric.index(field)
        return self.windows.numbers[self._index, column].astype(np.float64)

    def count(self, mask: Mask) -> Ints:
        """Return the steps of each range in a mask [total], int64 [m]."""
        return np.bincount(self.owner[mask], minlength=self.m)

    def last_in(self, mask: Mask) -> Ints:
        """Return each range's last step in a mask [total], int64 [m], -1 where there is none."""
        out = np.full(self.m, -1)
        positions = np.flatnonzero(mask)
        # Of several values for one place NumPy keeps the last.
        out[self.owner[positions]] = positions
        return out

    def first_in(self, mask: Mask) -> Ints:
        """Return each range's first step in a mask [total], int64 [m], -1 where there is none."""
        out = np.full(self.m, -1)
        positions = np.flatnonzero(mask)[::-1]
        out[self.owner[positions]] = positions
        return out


def prefix_steps(windows: Windows, prefixes: Prefixes) -> Steps:
    """Return the steps of prefixes: each session's own first ones, which follow its history."""
    begins = windows.offsets[prefixes.rows] + windows.history[prefixes.rows]
    return Steps(windows, prefixes.rows, begins, prefixes.steps)


def history_steps(windows: Windows, rows: Ints) -> Steps:
    """Return the steps of sessions that are of earlier sessions of the visitor; a session may have none."""
    return Steps(windows, rows, windows.offsets[rows], windows.history[rows].astype(np.int64))


def at(values: NDArray[np.number], positions: Ints) -> Floats:
    """Return values at positions, float64 [m], NaN where a position is -1."""
    out = np.full(len(positions), np.nan)
    known = positions >= 0
    out[known] = values[positions[known]]
    return out


def natural(values: Floats, scale: NormaliserRecord) -> Floats:
    """Return normalised values as they were in the log: seconds, or money."""
    logs = values * scale.deviation + scale.mean
    with np.errstate(over="ignore"):
        return np.clip(np.copysign(np.expm1(np.abs(logs)), logs), -MAX_MAGNITUDE, MAX_MAGNITUDE)


def ratio(values: NDArray[np.number], by: NDArray[np.number]) -> Floats:
    """Return quotients, float64 [m], NaN where the divisor is 0."""
    out = np.full(len(values), np.nan)
    np.divide(values, by, out=out, where=by != 0)
    return out


@dataclass(frozen=True)
class Summary:
    """Statistics of the known values of each range, float64 [m] each; NaN where no value is known."""

    mean: Floats
    lowest: Floats
    highest: Floats
    spread: Floats
    total: Floats
    unknown: Floats


def summary(steps: Steps, values: Floats, mask: Mask | None = None) -> Summary:
    """Return statistics of values [total] in a mask: mean, extremes, standard deviation, sum, unknown share.

    Sums are taken in the order of the values, so two orders of the same events give the same bits.
    """
    known = ~np.isnan(values)
    if mask is not None:
        known &= mask
    sizes = steps.counts if mask is None else steps.count(mask)
    owner, values = steps.owner[known], values[known]
    order = np.lexsort((values, owner))
    values = values[order]
    counts = np.bincount(owner, minlength=steps.m)
    some = counts > 0
    total = np.where(some, np.bincount(owner, values, steps.m), np.nan)
    mean = ratio(total, counts)
    squares = np.bincount(owner, (values - mean[owner]) ** 2, steps.m)
    lowest, highest = np.full(steps.m, np.nan), np.full(steps.m, np.nan)
    ends = np.cumsum(counts)
    lowest[some], highest[some] = values[(ends - counts)[some]], values[ends[some] - 1]
    return Summary(mean, lowest, highest, np.sqrt(ratio(squares, counts)), total, 1 - ratio(counts, sizes))
