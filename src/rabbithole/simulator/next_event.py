"""The exact probabilities of the next event of simulated sessions: its type, and its context."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import clock_cells, forward, initial_table
from rabbithole.simulator.posterior import ObservedSessions, log_emission, slice_sessions
from rabbithole.simulator.shop import Floats, Ints, Shop


@dataclass(frozen=True)
class NextEventProbabilities:
    """Probabilities after each of m events, given the events of the session so far.

    session: int64 [m], the session's index. step: int64 [m], events so far, from 1. event: [m, types + 2], of
    each of `Shop.event_types`, of a purchase, and of the end of the session. context: [m, contexts], of each
    of `Shop.contexts`, given that there is a next event.
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
