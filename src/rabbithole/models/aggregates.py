"""The features of estimators: summaries of a session's first steps that ignore the order of events."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import MISSING, RARE, UNSEEN

CALENDAR = ("hour", "weekday", "month", "week")
"""Fields whose smallest and largest code are features: few sessions have more than two values."""

MAX_COUNTED_CODES = 16
"""Most frequent codes of a field that are counted. Most logs have fewer events, and more categories."""


@dataclass(frozen=True)
class Prefixes:
    """The first steps of sessions, each to be summarised as one row.

    rows: int64 [m], the session's index; steps: int64 [m], the number of its own first steps, without
    those of its history.
    """

    rows: NDArray[np.int64]
    steps: NDArray[np.int64]


def counted_fields(windows: Windows) -> list[str]:
    """Return the fields whose frequent codes are counted, in the order of the features."""
    return [field for field in windows.fields.categorical if field not in ("item", *CALENDAR)]


def frequent_codes(windows: Windows) -> dict[str, list[int]]:
    """Return the codes to count of each field in `counted_fields`, most frequent first."""
    frequent = {}
    for field in counted_fields(windows):
        counts = np.bincount(windows.codes[:, windows.fields.categorical.index(field)])
        order = np.argsort(-counts, kind="stable")[:MAX_COUNTED_CODES]
        frequent[field] = [int(code) for code in order if counts[code]]
    return frequent


def aggregates(windows: Windows, prefixes: Prefixes, codes: dict[str, list[int]]) -> NDArray[np.float32]:
    """Return one row of features per prefix, float32 [m, features].

    The features, of the fields that the windows have: number of steps, of distinct items, and of repeated
    items; counts of `codes`; counts of missing, unseen and rare items; smallest and largest code of each
    calendar field; mean, minimum, maximum, standard deviation, sum and missing share of each numeric field
    (NaN without a value). Sums are taken in the order of the values, so two orders of the same events give
    the same bits.
    """
    m, steps = len(prefixes.rows), prefixes.steps
    owner = np.repeat(np.arange(m), steps)
    starts = np.cumsum(steps) - steps
    begins = windows.offsets[prefixes.rows] + windows.history[prefixes.rows]
    index = begins[owner] + np.arange(len(owner)) - starts[owner]
    columns = {field: windows.codes[index, number] for number, field in enumerate(windows.fields.categorical)}

    features: list[NDArray[np.generic]] = [steps]
    items = columns["item"].astype(np.int64) if "item" in columns else None
    if items is not None:
        item_count = int(items.max(initial=0)) + 1
        distinct = np.bincount(np.unique(owner * item_count + items) // item_count, minlength=m)
        features += [distinct, steps - distinct]
    for field in counted_fields(windows):
        features += [np.bincount(owner[columns[field] == code], minlength=m) for code in codes[field]]
    if items is not None:
        features += [np.bincount(owner[items == code], minlength=m) for code in (MISSING, UNSEEN, RARE)]
    for field in (field for field in CALENDAR if field in columns):
        features += [np.minimum.reduceat(columns[field], starts), np.maximum.reduceat(columns[field], starts)]
    for number in range(windows.numbers.shape[1]):
        features += _summaries(windows.numbers[index, number].astype(np.float64), owner, m)
    return np.stack([feature.astype(np.float32) for feature in features], axis=1)


def _summaries(values: NDArray[np.float64], owner: NDArray[np.int64], m: int) -> list[NDArray[np.generic]]:
    """Return each owner's mean, minimum, maximum, standard deviation, sum, and share of missing values."""
    present = ~np.isnan(values)
    sizes = np.bincount(owner, minlength=m)
    values, owner = values[present], owner[present]
    order = np.lexsort((values, owner))
    values, owner = values[order], owner[order]
    counts = np.bincount(owner, minlength=m)
    nonempty = counts > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.where(nonempty, np.bincount(owner, values, m), np.nan)
        mean = total / counts
        deviation = np.sqrt(np.bincount(owner, (values - mean[owner]) ** 2, m) / counts)
    smallest, largest = np.full(m, np.nan), np.full(m, np.nan)
    ends = np.cumsum(counts)
    smallest[nonempty], largest[nonempty] = values[(ends - counts)[nonempty]], values[ends[nonempty] - 1]
    return [mean, smallest, largest, deviation, total, 1 - counts / sizes]
