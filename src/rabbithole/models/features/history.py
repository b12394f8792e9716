"""Features of the visitor's earlier sessions, where windows begin with them."""

from collections.abc import Mapping

import numpy as np

from rabbithole.artifacts.data import NormaliserRecord
from rabbithole.models.features.counts import Values, first_events
from rabbithole.models.features.steps import (
    Columns,
    Floats,
    Ints,
    Mask,
    Prefixes,
    Steps,
    at,
    history_steps,
    natural,
)
from rabbithole.specs.data import SESSIONS_AGO
from rabbithole.windows.arrays import Windows


def history_features(
    steps: Steps,
    prefixes: Prefixes,
    windows: Windows,
    values: Mapping[str, Values],
    events: Mapping[int, str],
    dwell: NormaliserRecord | None,
) -> Columns:
    """Return what the earlier sessions in the windows hold, and what of it comes again now.

    They are: earlier events, and sessions (as far as the field `sessions_ago` separates them); seconds
    between the last session and this one, and over all earlier events; of each kind of event: how many there
    were and the seconds from the last one to this session; of items and categories: how many different ones
    there were, how many of this session's (and which share of its events) were there before, whether the last
    one was, and how many had each kind of event before.

    steps: of the prefixes; values: the different values of their items and categories; events: names of the
    kinds of events in the history by code; dwell: its normaliser, None where the log has no times.
    """
    earlier = history_steps(windows, prefixes.rows)
    out: Columns = {"earlier: events": earlier.counts}
    if SESSIONS_AGO in earlier:
        out["earlier: sessions"] = _distinct(earlier, SESSIONS_AGO)
    codes = earlier.codes("event") if "event" in earlier else None
    kinds: dict[str, Mask] = {}
    if codes is not None:
        kinds = {name: codes == code for code, name in first_events(events).items()}
    seconds = None
    if dwell is not None:
        seconds = _seconds_before(earlier, windows, prefixes, dwell)
        pause = natural(_first_dwell(windows, prefixes), dwell)
        out["earlier: seconds since the last session"] = np.where(earlier.counts > 0, pause, np.nan)
        out["earlier: seconds since the first event"] = at(
            seconds, earlier.first_in(np.ones(len(seconds), bool))
        )
    for name, here in kinds.items():
        out[f"earlier event {name}: count"] = earlier.count(here)
        if seconds is not None:
            out[f"earlier event {name}: seconds since the last"] = at(seconds, earlier.last_in(here))
    for field, now in values.items():
        out[f"earlier: distinct {field}"] = _distinct(earlier, field)
        known = _known(steps, now, earlier, field, np.ones(len(earlier.owner), bool))
        out[f"{field}: distinct known from earlier"] = np.bincount(now.owner[known], minlength=steps.m)
        out[f"{field}: share known from earlier"] = steps.count(known[now.pair]) / steps.counts
        out[f"{field}: last is known from earlier"] = known[now.pair[steps.ends - 1]]
        for name, here in kinds.items():
            again = _known(steps, now, earlier, field, here)
            out[f"{field}: distinct with an earlier event {name}"] = np.bincount(
                now.owner[again], minlength=steps.m
            )
    return out


def _distinct(steps: Steps, field: str) -> Ints:
    """Return the different values of a field in each range, int64 [m]; a range may be empty."""
    codes = steps.codes(field)
    size = int(codes.max(initial=0)) + 1
    return np.bincount(np.unique(steps.owner * size + codes) // size, minlength=steps.m)


def _known(steps: Steps, now: Values, earlier: Steps, field: str, here: Mask) -> Mask:
    """Return which of the pairs of a prefix and a value are among the earlier steps `here`, bool [pairs]."""
    codes, before = steps.codes(field), earlier.codes(field)
    size = int(max(codes.max(initial=0), before.max(initial=0))) + 1
    pairs = np.zeros(len(now.owner), np.int64)
    pairs[now.pair] = steps.owner * size + codes
    return np.isin(pairs, earlier.owner[here] * size + before[here])


def _first_dwell(windows: Windows, prefixes: Prefixes) -> Floats:
    """Return the normalised dwell time of each session's own first step: the pause before it."""
    first = windows.offsets[prefixes.rows] + windows.history[prefixes.rows]
    return windows.numbers[first, windows.fields.numeric.index("dwell")].astype(np.float64)


def _seconds_before(earlier: Steps, windows: Windows, prefixes: Prefixes, dwell: NormaliserRecord) -> Floats:
    """Return the seconds from each earlier step to the beginning of the session, float64 [steps]."""
    pause = np.nan_to_num(natural(_first_dwell(windows, prefixes), dwell))
    passed = np.cumsum(np.nan_to_num(natural(earlier.numbers("dwell"), dwell)))
    ends = np.append(0.0, passed)[earlier.ends]
    return (ends + pause)[earlier.owner] - passed
