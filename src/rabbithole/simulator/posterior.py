"""How likely each hidden state is to show what an event shows: the link from a log back to the chain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import clock_cells, forward, initial_table, late_occupancy, will_buy
from rabbithole.simulator.shop import Shop

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ObservedEvents:
    """Events as arrays of one length: columns of `Shop.kinds` and `Shop.contexts`, rows of the catalogue.

    context: -1 where the log could show none. before: the item of the session's event before, -1 for its
    first. dwell: milliseconds since the event before; not read at a first event.
    """

    kind: NDArray[np.integer]
    context: NDArray[np.integer]
    item: NDArray[np.integer]
    before: NDArray[np.integer]
    dwell: NDArray[np.integer]


def log_emission(
    shop: Shop, catalogue: Catalogue, seen: ObservedEvents, leave_out: frozenset[str] = frozenset()
) -> Floats:
    """Return log P(event | state), less terms that all states share; float64 [events, S].

    leave_out names parts not to look at (kind, context, repeat, rare, tilt, dwell): it measures what each is
    worth.
    """
    total = np.zeros((len(seen.item), len(shop.states)))
    later = np.flatnonzero(seen.before >= 0)
    with np.errstate(divide="ignore"):
        if "kind" not in leave_out:
            total += np.log(np.array(shop.kind)).T[seen.kind]
        if shop.contexts and "context" not in leave_out:
            shown = np.flatnonzero(seen.context >= 0)
            total[shown] += np.log(np.array(shop.context)).T[seen.context[shown]]
        total += log_items(shop, catalogue, seen, leave_out)
        if "dwell" not in leave_out:
            total[later] += log_dwell(shop, seen.dwell[later])
    return total


def log_items(shop: Shop, catalogue: Catalogue, seen: ObservedEvents, leave_out: frozenset[str]) -> Floats:
    """Return log P(item | state, item before), less terms that all states share; [events, S].

    An item seen again was either looked at again or drawn anew; both ways count.
    """
    states = len(shop.states)
    rare = np.full(states, np.mean(shop.rare)) if "rare" in leave_out else np.array(shop.rare)
    shares = np.full_like(shop.class_shares, 1 / shop.classes) if "tilt" in leave_out else shop.class_shares
    repeat = np.array(shop.repeat)
    rare_shares = np.repeat(rare[:, None] / shop.classes, shop.classes, 1)
    groups = np.hstack([(1 - rare)[:, None] * shares, rare_shares]).T
    new = groups[catalogue.group[seen.item]]
    later, same = seen.before >= 0, seen.before == seen.item
    if "repeat" in leave_out:
        new[same] = 1
        return np.asarray(np.log(new))
    new[later] *= 1 - repeat
    # Where the item is new, its share within its group is the same for all states and left out.
    new[same] = new[same] * catalogue.share[seen.item[same]][:, None] + repeat
    return np.asarray(np.log(new))


def log_dwell(shop: Shop, dwell: NDArray[np.integer]) -> Floats:
    """Return the log density of times between events (milliseconds) by state, less what all share; [n, S]."""
    middle, spread = np.log(np.array(shop.dwell_median) * 1000), np.array(shop.dwell_sigma)
    # The simulator rounds down to a millisecond: the middle of it is nearest to what was drawn.
    away = (np.log(dwell + 0.5)[:, None] - middle) / spread
    density = -0.5 * away**2 - np.log(spread)
    cap = shop.dwell_cap * 1000
    density[dwell >= cap] = log_ndtr((middle - np.log(cap)) / spread)
    return np.asarray(density)


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
    seen: ObservedEvents,
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
    final, _ = forward(last, running, *slice_sessions(emission, offsets[1:] - kept, kept))
    ended = (final @ buy) / (final @ shop.ending)
    if not steps:
        return BestScores(ended, {})

    early = np.minimum(length, max(steps))
    _, after = forward(initial, running, *slice_sessions(emission, offsets[:-1], early), steps)
    eventually = will_buy(shop)
    return BestScores(ended, {k: (which, weights @ eventually) for k, (which, weights) in after.items()})


def slice_sessions(values: Floats, begins: Ints, lengths: Ints) -> tuple[Floats, Ints]:
    """Return the rows begins[i] to begins[i] + lengths[i] of each session end to end, and their offsets."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] == len(values):
        return values, offsets
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    return values[rows], offsets
