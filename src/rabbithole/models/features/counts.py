"""Features that count: kinds of events, items and categories, and values of a log's further fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.models.features.steps import MAX_EVENTS, Columns, Ints, Steps, at
from rabbithole.windows.fields import FIRST_VALUE, MISSING, RARE, UNSEEN


def event_features(steps: Steps, events: Mapping[int, str]) -> Columns:
    """Return what kinds of events there are, and when. events: names of the counted codes, frequent first.

    The first `MAX_EVENTS` have features each: count and share, counts of the last 1, 3 and 10 events, the
    place of the first such event (1 for the session's first) and the events since the last one, NaN without
    one. Of the others only the count is one.
    """
    codes = steps.codes("event")
    last = steps.ends - 1
    out: Columns = {}
    for number, (code, value) in enumerate(events.items()):
        name, here = f"event {value}", codes == code
        count = steps.count(here)
        out[f"{name}: count"] = count
        if number >= MAX_EVENTS:
            continue
        out[f"{name}: share"] = count / steps.counts
        out[f"{name}: is the last event"] = here[last]
        for recent in (3, 10):
            out[f"{name}: count of the last {recent}"] = steps.count(here & (steps.left < recent))
        out[f"{name}: place of the first"] = at(steps.place, steps.first_in(here)) + 1
        out[f"{name}: events since the last"] = at(steps.left, steps.last_in(here))
    changes = (steps.place > 0) & np.append(False, codes[1:] != codes[:-1])
    out["event: changes of kind"] = steps.count(changes)
    return out


def code_counts(steps: Steps, field: str, values: Mapping[int, str]) -> Columns:
    """Return how many steps have each counted value of a field. values: their names by code."""
    codes = steps.codes(field)
    return {f"{field} {name}: count": steps.count(codes == code) for code, name in values.items()}


def unknown_counts(steps: Steps, field: str) -> Columns:
    """Return how many steps lack a value of a field, and have one unseen or rare in train."""
    codes = steps.codes(field)
    return {
        f"{field}: {name}": steps.count(codes == code)
        for code, name in ((MISSING, "missing"), (UNSEEN, "unseen"), (RARE, "rare"))
    }


@dataclass(frozen=True)
class Values:
    """The different values of a field in each prefix: pairs of a prefix and a code, sorted.

    owner: int64 [pairs]; counts: int64 [pairs], steps with the value; pair: int64 [total], the pair of each
    step; fresh: bool [total], whether a step is the first with its value; most: int64 [m], the position of
    the first step with the most frequent value (of several, the one that came first).
    """

    owner: Ints
    counts: Ints
    pair: Ints
    fresh: NDArray[np.bool_]
    most: Ints


def values_of(steps: Steps, field: str) -> Values:
    """Return the different values of a categorical field in each prefix; each has a step or more."""
    codes = steps.codes(field)
    size = int(codes.max(initial=0)) + 1
    pairs, first, pair, counts = np.unique(
        steps.owner * size + codes, return_index=True, return_inverse=True, return_counts=True
    )
    owner = pairs // size
    fresh = np.zeros(len(codes), bool)
    fresh[first] = True
    # The highest count, then the earliest first step.
    order = np.lexsort((-first, counts, owner))
    best = order[np.cumsum(np.bincount(owner, minlength=steps.m)) - 1]
    return Values(owner, counts, pair, fresh, first[best])


def value_features(steps: Steps, field: str, values: Values) -> Columns:
    """Return how often values of a field (items, categories) repeat, and how.

    They are: distinct values; repeats (steps beyond the first of a value) and their share; returns (to an
    earlier value, after another one); longest run of steps with one value, and the run at the end; steps with
    the most frequent value, and their share; steps with the last value; new values among the last 3 and 10.
    """
    codes = steps.codes(field)
    distinct = np.bincount(values.owner, minlength=steps.m)
    begins = (steps.place == 0) | np.append(True, codes[1:] != codes[:-1])
    run = np.cumsum(begins) - 1
    lengths = np.bincount(run)
    last = steps.ends - 1
    most = values.counts[values.pair[values.most]]
    return {
        f"{field}: distinct": distinct,
        f"{field}: repeats": steps.counts - distinct,
        f"{field}: share of repeats": 1 - distinct / steps.counts,
        f"{field}: returns": steps.count(begins & ~values.fresh),
        f"{field}: longest run": np.maximum.reduceat(lengths, run[steps.starts]),
        f"{field}: run at the end": lengths[run[last]],
        f"{field}: count of the most frequent": most,
        f"{field}: share of the most frequent": most / steps.counts,
        f"{field}: count of the last": values.counts[values.pair[last]],
        f"{field}: new among the last 3": steps.count(values.fresh & (steps.left < 3)),
        f"{field}: new among the last 10": steps.count(values.fresh & (steps.left < 10)),
    }


def values_by_event(steps: Steps, field: str, values: Values, events: Mapping[int, str]) -> Columns:
    """Return the distinct values of a field with each kind of event: items in the cart, say."""
    codes = steps.codes("event")
    out: Columns = {}
    for code, name in first_events(events).items():
        pairs = np.unique(values.pair[codes == code])
        out[f"event {name}: distinct {field}"] = np.bincount(values.owner[pairs], minlength=steps.m)
    return out


def first_events(events: Mapping[int, str]) -> Mapping[int, str]:
    """Return the events with features of their own."""
    return dict(list(events.items())[:MAX_EVENTS])


def frequent_codes(codes: NDArray[np.int32], limit: int) -> list[int]:
    """Return the most frequent codes of values, at most `limit`, most frequent first."""
    counts = np.bincount(codes[codes >= FIRST_VALUE])
    return [int(code) for code in np.argsort(-counts, kind="stable")[:limit] if counts[code]]


def names_of(codes: Sequence[int], vocabulary: Sequence[str | int]) -> list[str]:
    """Return the values of codes, or the codes where they are beyond the vocabulary."""
    known = dict(enumerate(vocabulary, FIRST_VALUE))
    return [str(known.get(code, code)) for code in codes]
