"""The hidden Markov chain: initial distribution, sampled paths, closed forms, and the forward algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import alias_table
from rabbithole.simulator.shop import Floats, Ints, Shop

HOUR = 3_600_000
DAY = 24 * HOUR
WEEK = 7 * DAY
"""Milliseconds."""

SEASON_WEEKS = 13


def clock_cells(shop: Shop, start: Ints) -> Ints:
    """Return the row of `initial_table` for each start (milliseconds since 1970, UTC); same shape."""
    local = start + shop.utc_offset_hours * HOUR
    quarter = local % DAY // (6 * HOUR)
    # 1970-01-01 was a Thursday: Monday is 0.
    weekend = (local // DAY + 3) % 7 >= 5
    week = (start - shop.begin_ms) // WEEK % SEASON_WEEKS
    return np.asarray((quarter * 2 + weekend) * SEASON_WEEKS + week)


def initial_table(shop: Shop) -> Floats:
    """Return the initial distribution for each cell of the clock; [4 * 2 * 13, S]."""
    wave = np.sin(2 * np.pi * np.arange(SEASON_WEEKS) / SEASON_WEEKS)
    quarter = np.array(shop.initial_quarter).T
    weekend = np.stack([np.ones(len(shop.states)), np.array(shop.initial_weekend)])
    season = np.array(shop.initial_season)[None] ** wave[:, None]
    table = np.array(shop.initial) * quarter[:, None, None] * weekend[:, None] * season
    table /= table.sum(-1, keepdims=True)
    return np.asarray(table.reshape(-1, len(shop.states)))


def hour_shares(shop: Shop) -> Floats:
    """Return the share of sessions that start in each hour of the log; [hours]."""
    hours = np.arange(shop.begin_ms, shop.end_ms, HOUR) + shop.utc_offset_hours * HOUR
    weekday = (hours // DAY + 3) % 7
    weights = np.array(shop.hour_weight)[hours % DAY // HOUR] * np.array(shop.weekday_weight)[weekday]
    return np.asarray(weights / weights.sum())


def mean_initial(shop: Shop) -> Floats:
    """Return the initial distribution averaged over the times at which sessions start; [S]."""
    hours = np.arange(shop.begin_ms, shop.end_ms, HOUR)
    return np.asarray(hour_shares(shop) @ initial_table(shop)[clock_cells(shop, hours)])


def late_occupancy(shop: Shop) -> Floats:
    """Return the expected number of visits to each state after a session's first event; [S].

    This is the sum of initial @ continuation**n over n >= 1: up to scale, the distribution of the state at
    the first event of a window when an unknown number of earlier events is cut off.
    """
    continuation = shop.continuation
    visits = np.linalg.solve((np.eye(len(continuation)) - continuation).T, mean_initial(shop))
    return np.asarray(visits @ continuation)


def purchase_probability(shop: Shop) -> Floats:
    """Return the probability that a session in state z will end with a purchase; [S]."""
    continuation = shop.continuation
    return np.linalg.solve(np.eye(len(continuation)) - continuation, np.array(shop.buy))


@dataclass(frozen=True)
class Paths:
    """Hidden paths of n sessions: session i has the states state[offsets[i]:offsets[i + 1]]."""

    offsets: Ints
    state: NDArray[np.int8]
    buyer: NDArray[np.bool_]


def draw_paths(shop: Shop, start: Ints, rng: np.random.Generator) -> Paths:
    """Draw the paths of sessions with the given starts (milliseconds, UTC) until each buys or leaves."""
    count, states = len(start), len(shop.states)
    outcomes = alias_table(list(np.column_stack([shop.continuation, shop.buy, shop.leave])))
    cells = clock_cells(shop, start)
    running, state = np.arange(count), alias_table(list(initial_table(shop))).draw(cells, rng)
    buyer, length = np.zeros(count, bool), np.zeros(count, np.int64)
    steps = []
    while len(running):
        steps.append((running, state.astype(np.int8)))
        outcome = outcomes.draw(state, rng)
        continues = outcome < states
        length[running[~continues]] = len(steps)
        buyer[running[outcome == states]] = True
        running, state = running[continues], outcome[continues]
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    flat = np.empty(offsets[-1], np.int8)
    for step, (sessions, step_state) in enumerate(steps):
        flat[offsets[sessions] + step] = step_state
    return Paths(offsets, flat, buyer)


def forward(
    initial: Floats, transition: Floats, log_emission: Floats, offsets: Ints, steps: Sequence[int] = ()
) -> tuple[Floats, dict[int, tuple[Ints, Floats]]]:
    """Run the forward algorithm: P(state at the last event | all events), and after the first k events.

    initial: [n, S], any positive scale. transition: [S, S], rows may sum to less than 1. log_emission:
    [total, S], log P(event | state) up to a term that the states share. offsets: int64 [n + 1], sequence i
    has the events offsets[i] to offsets[i + 1], at least one.

    Returns weights [n, S] that sum to 1 per row, and for each k of `steps` the (ascending) indices of the
    sequences with at least k events, with their weights after k events. Weights are scaled at each event, so
    that no length underflows. Raises ValueError for an event that no state can emit.
    """
    length = np.diff(offsets)
    order = np.argsort(-length, kind="stable")
    # Sequences from the longest to the shortest: those with a further event are always the first ones.
    counts = np.searchsorted(-length[order], -np.arange(1, int(length.max(initial=0)) + 1), side="right")
    weights = np.empty((len(length), len(transition)))
    after: dict[int, tuple[Ints, Floats]] = {}
    wanted = set(steps)
    for step, count in enumerate(counts):
        predicted = initial[order] if step == 0 else weights[:count] @ transition
        emission = log_emission[offsets[order[:count]] + step]
        # Only reachable states set the scale. Otherwise a far likelier, unreachable state would make the
        # weights of all others underflow.
        with np.errstate(divide="ignore"):
            emission = emission + np.log(predicted)
        top = emission.max(1, keepdims=True)
        if not np.isfinite(top).all():
            raise ValueError("no state can emit one of the events")
        weight = np.exp(emission - top)
        weights[:count] = weight / weight.sum(1, keepdims=True)
        if step + 1 in wanted:
            back = np.argsort(order[:count])
            after[step + 1] = order[:count][back], weights[:count][back]
    final = np.empty_like(weights)
    final[order] = weights
    return final, after
