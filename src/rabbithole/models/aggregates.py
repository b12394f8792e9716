"""Order-free summaries of sessions: what a baseline sees, whatever the order of the events was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, MISSING, NUMERIC, RARE, UNSEEN

CALENDAR = ("hour", "weekday", "month", "week")
"""Fields of which the smallest and largest code are taken: a session seldom has more than one or two."""

COUNTED_FIELDS = ("event", "category")
"""Fields whose frequent codes are counted, in the order of the features."""

COUNTED = 16
"""A field's most frequent codes that are counted each; most logs have fewer events, and more categories."""


@dataclass(frozen=True)
class Prefixes:
    """First steps of sessions, each a row to summarise.

    rows: int64 [m], the session's number; steps: int64 [m], how many of its first steps.
    """

    rows: NDArray[np.int64]
    steps: NDArray[np.int64]


def frequent_codes(windows: Windows) -> dict[str, list[int]]:
    """Return the codes of event and category that are worth a count each, by field, most frequent first."""
    chosen = {}
    for field in COUNTED_FIELDS:
        counts = np.bincount(windows.codes[:, CATEGORICAL.index(field)])
        order = np.argsort(-counts, kind="stable")[:COUNTED]
        chosen[field] = [int(code) for code in order if counts[code]]
    return chosen


def aggregates(windows: Windows, beginnings: Prefixes, codes: dict[str, list[int]]) -> NDArray[np.float32]:
    """Return one row of features for each beginning, float32 [m, features].

    Number of steps; distinct items and repeats; counts of the given codes; smallest and largest code of the
    fields of the calendar; items missing, unseen or rare; of each number the mean, smallest, largest,
    deviation, sum and share missing (NaN where there is none). Sums are taken in the order of the values, so
    that two orders of the same events give the same bits.
    """
    m, steps = len(beginnings.rows), beginnings.steps
    owner = np.repeat(np.arange(m), steps)
    starts = np.cumsum(steps) - steps
    index = windows.offsets[beginnings.rows][owner] + np.arange(len(owner)) - starts[owner]
    column = {field: windows.codes[index, number] for number, field in enumerate(CATEGORICAL)}

    item = column["item"].astype(np.int64)
    pairs = np.unique(owner * (int(item.max(initial=0)) + 1) + item)
    distinct = np.bincount(pairs // (int(item.max(initial=0)) + 1), minlength=m)
    features: list[NDArray[np.generic]] = [steps, distinct, steps - distinct]
    for field in COUNTED_FIELDS:
        features += [np.bincount(owner[column[field] == value], minlength=m) for value in codes[field]]
    features += [np.bincount(owner[item == code], minlength=m) for code in (MISSING, UNSEEN, RARE)]
    for field in CALENDAR:
        features += [np.minimum.reduceat(column[field], starts), np.maximum.reduceat(column[field], starts)]
    for number in range(len(NUMERIC)):
        features += _summary(windows.numbers[index, number].astype(np.float64), owner, m)
    return np.stack([feature.astype(np.float32) for feature in features], axis=1)


def _summary(values: NDArray[np.float64], owner: NDArray[np.int64], m: int) -> list[NDArray[np.generic]]:
    """Return each owner's mean, smallest, largest, deviation and sum of known values, and share unknown."""
    known = ~np.isnan(values)
    size = np.bincount(owner, minlength=m)
    values, owner = values[known], owner[known]
    order = np.lexsort((values, owner))
    values, owner = values[order], owner[order]
    count = np.bincount(owner, minlength=m)
    some = count > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.where(some, np.bincount(owner, values, m), np.nan)
        mean = total / count
        deviation = np.sqrt(np.bincount(owner, (values - mean[owner]) ** 2, m) / count)
    smallest, largest = np.full(m, np.nan), np.full(m, np.nan)
    ends = np.cumsum(count)
    smallest[some], largest[some] = values[(ends - count)[some]], values[ends[some] - 1]
    return [mean, smallest, largest, deviation, total, 1 - count / size]
