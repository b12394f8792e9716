"""Exact posterior probabilities, of a purchase and of the next event, from emission probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import (
    clock_cells,
    forward,
    initial_table,
    late_occupancy,
    purchase_probability,
)
from rabbithole.simulator.shop import Floats, Ints, Shop

EMISSIONS = ("event_type", "context", "repeat", "rare", "tilt", "dwell")
"""The parts of an emission that `log_emission` can ignore."""


@dataclass(frozen=True)
class ObservedEvents:
    """Events as arrays of one length.

    event_type, context: columns of `Shop.event_types` and `Shop.contexts`; context is -1 where the log cannot
    show one. item: row of the catalogue. previous: the item of the session's event before, -1 for its first
    event. dwell: milliseconds since the event before, ignored for a first event.
    """

    event_type: NDArray[np.integer]
    context: NDArray[np.integer]
    item: NDArray[np.integer]
    previous: NDArray[np.integer]
    dwell: NDArray[np.integer]


@dataclass(frozen=True)
class ObservedSessions:
    """n sessions. offsets: int64 [n + 1], session i has the events offsets[i] to offsets[i + 1].

    time: int64 [events], milliseconds since 1970, UTC.
    """

    events: ObservedEvents
    offsets: Ints
    time: Ints

    def start(self) -> Ints:
        """Return the time of each session's first event; [n]."""
        return self.time[self.offsets[:-1]]


def log_emission(
    shop: Shop, catalogue: Catalogue, events: ObservedEvents, ignore: frozenset[str] = frozenset()
) -> Floats:
    """Return log P(event | state), up to terms that all states share; [events, S].

    ignore: parts of the emission (of `EMISSIONS`) that are not used, to measure what each contributes.
    """
    total = np.zeros((len(events.item), len(shop.states)))
    later = np.flatnonzero(events.previous >= 0)
    with np.errstate(divide="ignore"):
        if "event_type" not in ignore:
            total += np.log(np.array(shop.event_emission)).T[events.event_type]
        if shop.contexts and "context" not in ignore:
            shown = np.flatnonzero(events.context >= 0)
            total[shown] += np.log(np.array(shop.context_emission)).T[events.context[shown]]
        total += log_items(shop, catalogue, events, ignore)
        if "dwell" not in ignore:
            total[later] += log_dwell(shop, events.dwell[later])
    return total


def log_items(shop: Shop, catalogue: Catalogue, events: ObservedEvents, ignore: frozenset[str]) -> Floats:
    """Return log P(item | state, previous item), up to terms that all states share; [events, S].

    When an item equals the previous one, it was either repeated or drawn again: both count.
    """
    states = len(shop.states)
    rare = np.full(states, np.mean(shop.rare)) if "rare" in ignore else np.array(shop.rare)
    shares = np.full_like(shop.class_shares, 1 / shop.classes) if "tilt" in ignore else shop.class_shares
    repeat = np.array(shop.repeat)
    rare_shares = np.repeat(rare[:, None] / shop.classes, shop.classes, 1)
    groups = np.hstack([(1 - rare)[:, None] * shares, rare_shares]).T
    new = groups[catalogue.group[events.item]]
    later, same = events.previous >= 0, events.previous == events.item
    if "repeat" in ignore:
        new[same] = 1
        return np.asarray(np.log(new))
    new[later] *= 1 - repeat
    # A new item's share within its group is the same for all states, so it matters only beside a repeat.
    new[same] = new[same] * catalogue.share[events.item[same]][:, None] + repeat
    return np.asarray(np.log(new))


def log_dwell(shop: Shop, dwell: NDArray[np.integer]) -> Floats:
    """Return the log density of dwell times (milliseconds) by state, up to what all states share; [n, S]."""
    mean, sigma = np.log(np.array(shop.dwell_median) * 1000), np.array(shop.dwell_sigma)
    # The simulator rounds down to a millisecond. The middle of it is closest to the drawn value.
    deviation = (np.log(dwell + 0.5)[:, None] - mean) / sigma
    density = -0.5 * deviation**2 - np.log(sigma)
    cap = shop.dwell_cap * 1000
    density[dwell >= cap] = log_ndtr((mean - np.log(cap)) / sigma)
    return np.asarray(density)


@dataclass(frozen=True)
class PurchasePosteriors:
    """Posterior purchase probabilities of n sessions.

    ended: [n], P(buyer | the last events, and that the session ended there). running: for each k, the indices
    of the sessions with at least k events, and P(will buy | their first k events, still running).
    """

    ended: Floats
    running: dict[int, tuple[Ints, Floats]]


def purchase_posteriors(
    shop: Shop,
    catalogue: Catalogue,
    sessions: ObservedSessions,
    window: int,
    steps: Sequence[int],
    ignore: frozenset[str] = frozenset(),
) -> PurchasePosteriors:
    """Return the posterior purchase probabilities of sessions, from all their events before the cut.

    An ended session of over `window` events is scored from its last `window` events. The number of earlier
    events is then unknown, so the state before the window has the distribution of all later events. The first
    event of such a window keeps its dwell time and may repeat the previous item: windows show the former, and
    the scores remain an upper bound.
    """
    emission = log_emission(shop, catalogue, sessions.events, ignore)
    return posteriors_from_emission(shop, emission, sessions, window, steps)


def posteriors_from_emission(
    shop: Shop, emission: Floats, sessions: ObservedSessions, window: int, steps: Sequence[int]
) -> PurchasePosteriors:
    """Return the posteriors of `purchase_posteriors` from log P(event | state), [events, S]."""
    offsets = sessions.offsets
    length = np.diff(offsets)
    continuation, buy = shop.continuation, np.array(shop.buy)
    initial = initial_table(shop)[clock_cells(shop, sessions.start())]

    window_initial = initial.copy()
    window_initial[length > window] = late_occupancy(shop)
    kept = np.minimum(length, window)
    final, _ = forward(window_initial, continuation, *slice_sessions(emission, offsets[1:] - kept, kept))
    ended = (final @ buy) / (final @ shop.ending)
    if not steps:
        return PurchasePosteriors(ended, {})

    kept = np.minimum(length, max(steps))
    _, after = forward(initial, continuation, *slice_sessions(emission, offsets[:-1], kept), steps)
    will_buy = purchase_probability(shop)
    return PurchasePosteriors(
        ended, {k: (index, weights @ will_buy) for k, (index, weights) in after.items()}
    )


def slice_sessions(values: Floats, begins: Ints, lengths: Ints) -> tuple[Floats, Ints]:
    """Return rows begins[i] to begins[i] + lengths[i] of each session end to end, and their offsets."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] == len(values):
        return values, offsets
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    return values[rows], offsets


@dataclass(frozen=True)
class NextEventProbabilities:
    """Probabilities after each of m events, given the events of the session so far.

    session: int64 [m], the session's index. step: int64 [m], events so far, from 1. event: [m, types + 2], of
    `Shop.event_types`, a purchase, and the end of the session. context: [m, contexts], of `Shop.contexts`,
    given that there is a next event.
    """

    session: Ints
    step: Ints
    event: Floats
    context: Floats


def next_event_probabilities(
    shop: Shop, catalogue: Catalogue, sessions: ObservedSessions, window: int
) -> NextEventProbabilities:
    """Return the probabilities of what follows each of a session's first `window` events.

    The forward algorithm gives P(state | events so far); P(next | state) is summed over the states.
    """
    offsets, time = sessions.offsets, sessions.time
    lengths = np.minimum(np.diff(offsets), window)
    initial = initial_table(shop)[clock_cells(shop, sessions.start())]
    emission, begins = slice_sessions(log_emission(shop, catalogue, sessions.events), offsets[:-1], lengths)
    steps = range(1, int(lengths.max(initial=0)) + 1)
    _, after = forward(initial, shop.continuation, emission, begins, steps)
    weights = np.empty((begins[-1], len(shop.states)))
    for count, (index, step_weights) in after.items():
        weights[begins[index] + count - 1] = step_weights
    session = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(session)) - begins[session] + 1

    next_state = weights @ shop.continuation
    ends = np.column_stack([weights @ np.array(shop.buy), weights @ np.array(shop.leave)])
    event = np.hstack([next_state @ np.array(shop.event_emission), ends])
    context = np.zeros((len(session), len(shop.contexts)))
    if shop.contexts:
        next_state /= next_state.sum(1, keepdims=True)
        # Before `context_from` the log shows the missing context in every state. The next event may come
        # before or after that time.
        wait = shop.context_from_ms - time[offsets[session] + step - 1]
        shown = next_state * dwell_survival(shop, wait)
        context = shown @ np.array(shop.context_emission)
        context[:, 0] += 1 - shown.sum(1)
    return NextEventProbabilities(session, step, event, context)


def dwell_survival(shop: Shop, wait: Ints) -> Floats:
    """Return P(the time before an event is at least `wait` milliseconds | its state); [m, S]."""
    mean, sigma = np.log(np.array(shop.dwell_median) * 1000), np.array(shop.dwell_sigma)
    deviation = (np.log(np.maximum(wait, 1))[:, None] - mean) / sigma
    survival = np.exp(log_ndtr(-deviation))
    survival[wait <= 1] = 1
    survival[wait > shop.dwell_cap * 1000] = 0
    return np.asarray(survival)
