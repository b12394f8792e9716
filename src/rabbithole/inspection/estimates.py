"""Estimate events, sessions and buyers of the whole log from its sample, and how exact an AUC can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.inspection.keys import Keyed
from rabbithole.inspection.sample import Sample

ASSUMED_AUC = 0.7

TEST_SHARE = 0.1
"""Share of sessions in the test split, by default."""

WARM_UP_SECONDS = 3600.0
"""Seconds after which an event without an earlier one in its piece begins a session of the log's own ids."""

MIN_PIECE_SECONDS = 900.0
"""Seconds. In a shorter piece, the sessions that begin in it can't be counted."""

FEW_BUYERS = 30
"""With fewer buyers in test, no difference between models shows."""

FEW_TO_LEARN = 2000
"""With fewer buyers, the default settings may be too large for the log."""


@dataclass(frozen=True)
class Estimate:
    """What a log holds.

    buyers: sessions with a purchase and an event before it, from which models learn; at_once: sessions whose
    first event has the time of their first purchase, so that nothing is before it; exact: whether the log was
    read whole; basis: what the numbers rest on, in words.
    """

    events: int
    sessions: int | None
    buyers: int | None
    first: float
    last: float
    exact: bool
    basis: str
    at_once: int = 0

    @property
    def buyers_in_test(self) -> int | None:
        """Return the buyers in the test split, by default."""
        return None if self.buyers is None else round(self.buyers * TEST_SHARE)

    @property
    def has_few_buyers(self) -> bool:
        """Return whether there are buyers, but too few in test to compare models."""
        return bool(self.buyers) and (self.buyers_in_test or 0) < FEW_BUYERS

    @property
    def has_few_to_learn(self) -> bool:
        """Return whether there are buyers, but so few that a search for smaller settings may help."""
        return bool(self.buyers) and (self.buyers or 0) < FEW_TO_LEARN


def estimate(
    samples: Sequence[Sample],
    keys: Sequence[pa.Array],
    seconds: Sequence[pa.Array],
    bought: Sequence[NDArray[np.bool_]],
    gap: float | None,
) -> Estimate:
    """Return the estimate of a log's tables. keys, seconds, bought: of each table, one entry a row."""
    total = sum(sample.total for sample in samples)
    times = pa.concat_arrays(list(seconds)).drop_null()
    first, last = (float(times.to_numpy().min()), float(times.to_numpy().max())) if len(times) else (0.0, 0.0)
    if all(sample.whole for sample in samples):
        offset = np.cumsum([0, *(sample.block.max() + 1 for sample in samples[:-1])])
        block = np.concatenate([sample.block + shift for sample, shift in zip(samples, offset, strict=True)])
        keyed = Keyed.by(pa.concat_arrays(list(keys)), pa.concat_arrays(list(seconds)), block)
        starts = keyed.starts(gap)
        buys = np.concatenate(list(bought))[keyed.order]
        rows, begins = _first_purchases(starts, buys, keyed.seconds)
        at_once = int(begins.sum())
        buyers = len(rows) - at_once
        # Without the lines that are rejected or left out.
        events = len(keyed.order)
        return Estimate(events, int(starts.sum()), buyers, first, last, True, "the whole log", at_once)
    main, *others = range(len(samples))
    if any(not samples[table].whole for table in others) or others:
        return Estimate(
            total, None, None, first, last, False, "several tables of which only pieces were read"
        )
    return _of_pieces(samples[main], keys[main], seconds[main], bought[main], gap, (first, last))


def _first_purchases(
    starts: NDArray[np.bool_], buys: NDArray[np.bool_], seconds: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row of each buyer's first purchase, and whether no event of the session is before it.

    An event at the very time of the purchase is not before it, as in the step `sessions`. starts, buys,
    seconds: of events in order of session and time, each [events].
    """
    session = np.cumsum(starts) - 1
    buyers, first = np.unique(session[buys], return_index=True)
    rows: NDArray[np.int64] = np.flatnonzero(buys)[first]
    return rows, seconds[rows] <= seconds[starts][buyers]


def _of_pieces(
    sample: Sample,
    keys: pa.Array,
    seconds: pa.Array,
    bought: NDArray[np.bool_],
    gap: float | None,
    span: tuple[float, float],
) -> Estimate:
    """Return an estimate from consecutive pieces of a file: sessions and buyers per row, times all rows."""
    codes = keys.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    times = seconds.to_numpy(zero_copy_only=False)
    counted = sessions = buyers = at_once = 0
    by_key = by_time = 0
    for number in np.unique(sample.block):
        rows = np.flatnonzero(sample.block == number)
        key, second = codes[rows], times[rows]
        if len(rows) < 100 or len(np.unique(key)) < 3:
            continue
        runs = 1 + int((key[1:] != key[:-1]).sum())
        steps = np.diff(second)
        inside = np.ones(len(rows), bool)
        if runs < 1.3 * len(np.unique(key)):
            # Sorted by key: the first and the last one are cut.
            by_key += 1
            inside = (key != key[0]) & (key != key[-1])
        elif (steps >= 0).mean() > 0.95:
            # Sorted by time: what began before the piece is not known, so its start only warms up.
            length = float(second.max() - second.min())
            if length < MIN_PIECE_SECONDS:
                continue
            by_time += 1
            inside = second >= second.min() + min(gap or WARM_UP_SECONDS, length / 2)
        else:
            continue
        keyed = Keyed.by(keys.take(pa.array(rows)), seconds.take(pa.array(rows)), sample.block[rows])
        starts = keyed.starts(gap)
        kept = inside[keyed.order]
        first_buys, begins = _first_purchases(starts, bought[rows][keyed.order], keyed.seconds)
        counted += int(kept.sum())
        sessions += int((starts & kept).sum())
        buyers += int((kept[first_buys] & ~begins).sum())
        at_once += int((kept[first_buys] & begins).sum())
    if not counted:
        return Estimate(
            sample.total,
            None,
            None,
            *span,
            False,
            "pieces of a file that is sorted neither by time nor by session, or that are too short",
        )
    order = "by time" if by_time > by_key else "by session or visitor"
    scale = sample.total / counted
    return Estimate(
        sample.total,
        round(sessions * scale),
        round(buyers * scale),
        *span,
        False,
        f"{counted:,} consecutive rows of a file that is sorted {order}",
        round(at_once * scale),
    )


def auc_half_width(sessions: int, buyers: int, tested: float = TEST_SHARE) -> float | None:
    """Return half the width of the 95 % interval of an AUC of 0.7 on test (Hanley and McNeil 1982).

    tested: share of the sessions in test. None if test has no buyer, or nothing but buyers.
    """
    positive = buyers * tested
    negative = (sessions - buyers) * tested
    if positive < 1 or negative < 1:
        return None
    area = ASSUMED_AUC
    both_positive, both_negative = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (positive - 1) * (both_positive - area**2)
        + (negative - 1) * (both_negative - area**2)
    ) / (positive * negative)
    return 1.96 * sqrt(variance)
