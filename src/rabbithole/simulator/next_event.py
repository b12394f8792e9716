"""The best that could be said of each next event of a simulated session: its type, and its category."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import clock_cells, forward, initial_table
from rabbithole.simulator.posterior import ObservedEvents, log_emission, slice_sessions
from rabbithole.simulator.shop import Shop, milliseconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NextShares:
    """Probabilities after each of m events, from these and the session's events before.

    session: int64 [m], its number; step: int64 [m], events seen, from 1. event: [m, kinds + 2], of each of
    `Shop.kinds`, of a purchase and of no further event. context: [m, contexts], of each of `Shop.contexts` if
    there is a further event.
    """

    session: Ints
    step: Ints
    event: Floats
    context: Floats


def next_shares(
    shop: Shop, catalogue: Catalogue, seen: ObservedEvents, offsets: Ints, time: Ints, window: int
) -> NextShares:
    """Return what comes next after each of a session's first `window` events.

    offsets: [n + 1], session i's events are offsets[i]:offsets[i + 1]. time: of every event, milliseconds,
    UTC. By the forward algorithm: P(next | events so far) sums over the states that the shopper may be in.
    """
    lengths = np.minimum(np.diff(offsets), window)
    initial = initial_table(shop)[clock_cells(shop, time[offsets[:-1]])]
    emission, begins = slice_sessions(log_emission(shop, catalogue, seen), offsets[:-1], lengths)
    steps = list(range(1, int(lengths.max(initial=0)) + 1))
    _, after = forward(initial, shop.running, emission, begins, steps)
    weights = np.empty((begins[-1], len(shop.states)))
    for count, (sessions, found) in after.items():
        weights[begins[sessions] + count - 1] = found
    session = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(session)) - begins[session] + 1

    ahead = weights @ shop.running
    ends = np.column_stack([weights @ np.array(shop.buy), weights @ np.array(shop.leave)])
    event = np.hstack([ahead @ np.array(shop.kind), ends])
    context = np.zeros((len(session), len(shop.contexts)))
    if shop.contexts:
        ahead /= ahead.sum(1, keepdims=True)
        # Before a certain moment the log shows the missing context, whatever the state; the next event may
        # fall on either side of it.
        shown = ahead * waits_at_least(
            shop, milliseconds(shop.context_from) - time[offsets[session] + step - 1]
        )
        context = shown @ np.array(shop.context)
        context[:, 0] += 1 - shown.sum(1)
    return NextShares(session, step, event, context)


def waits_at_least(shop: Shop, wait: Ints) -> Floats:
    """Return P(the time before an event is at least `wait` milliseconds | its state); [m, S]."""
    middle, spread = np.log(np.array(shop.dwell_median) * 1000), np.array(shop.dwell_sigma)
    away = (np.log(np.maximum(wait, 1))[:, None] - middle) / spread
    longer = np.exp(log_ndtr(-away))
    longer[wait <= 1] = 1
    longer[wait > shop.dwell_cap * 1000] = 0
    return np.asarray(longer)
