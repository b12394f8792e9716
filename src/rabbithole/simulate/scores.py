"""From events back to probabilities: the best that anyone could say about a session, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulate.catalogue import Catalogue
from rabbithole.simulate.chain import clock_cells, initial_table, late_occupancy, will_buy
from rabbithole.simulate.emission import Seen, log_emission
from rabbithole.simulate.forward import forward
from rabbithole.simulate.shop import Shop

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BestScores:
    """The best scores of n sessions.

    ended: [n], P(buyer | the last events, and that the session ended there). running: for each k the numbers
    of the sessions with at least k events and P(will buy | their first k events, still running).
    """

    ended: Floats
    running: dict[int, tuple[Ints, Floats]]


def best_scores(
    shop: Shop,
    catalogue: Catalogue,
    seen: Seen,
    offsets: Ints,
    start: Ints,
    window: int,
    steps: list[int],
    leave_out: frozenset[str] = frozenset(),
) -> BestScores:
    """Score n sessions from all their events before the cut.

    offsets: [n + 1], session i's events are offsets[i]:offsets[i + 1]. start: [n], milliseconds, UTC. A
    session of more than `window` events is scored from its last ones, with the number of earlier ones
    unknown: its state before them is the occupancy over all late events. The first event of such a window
    still has its time since the event before and may repeat that event's item, as windows show them the
    former and the bound stays one.
    """
    emission = log_emission(shop, catalogue, seen, leave_out)
    return scores_from(shop, emission, offsets, start, window, steps)


def scores_from(
    shop: Shop, emission: Floats, offsets: Ints, start: Ints, window: int, steps: list[int]
) -> BestScores:
    """Return the same from log P(event | state), float64 [events, S]."""
    length = np.diff(offsets)
    running, buy = shop.running, np.array(shop.buy)
    initial = initial_table(shop)[clock_cells(shop, start)]

    late = length > window
    last = initial.copy()
    last[late] = late_occupancy(shop)
    kept = np.minimum(length, window)
    final, _ = forward(last, running, *pieces(emission, offsets[1:] - kept, kept))
    ended = (final @ buy) / (final @ shop.ending)
    if not steps:
        return BestScores(ended, {})

    early = np.minimum(length, max(steps))
    _, after = forward(initial, running, *pieces(emission, offsets[:-1], early), steps)
    eventually = will_buy(shop)
    return BestScores(ended, {k: (which, weights @ eventually) for k, (which, weights) in after.items()})


def pieces(values: Floats, begins: Ints, lengths: Ints) -> tuple[Floats, Ints]:
    """Return the rows begins[i] to begins[i] + lengths[i] of each session end to end, and their offsets."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] == len(values):
        return values, offsets
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    return values[rows], offsets
