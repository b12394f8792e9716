"""The hidden chain: its first state by the clock, its paths, and what follows from it in closed form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulate.draws import alias
from rabbithole.simulate.shop import Shop

Floats = NDArray[np.float64]
HOUR = 3_600_000
DAY = 24 * HOUR
SEASON_WEEKS = 13


def clock_cells(shop: Shop, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of `initial_table` for each start (milliseconds since 1970, UTC): int64, same shape."""
    local = start + shop.clock_hours * HOUR
    quarter = local % DAY // (6 * HOUR)
    # 1970-01-01 was a Thursday: Monday is 0.
    weekend = (local // DAY + 3) % 7 >= 5
    week = (start - shop.begin_ms) // (7 * DAY) % SEASON_WEEKS
    return np.asarray((quarter * 2 + weekend) * SEASON_WEEKS + week)


def initial_table(shop: Shop) -> Floats:
    """Return the first state's distribution for every cell of the clock; [4 * 2 * 13, S]."""
    wave = np.sin(2 * np.pi * np.arange(SEASON_WEEKS) / SEASON_WEEKS)
    quarter = np.array(shop.initial_quarter).T
    weekend = np.stack([np.ones(len(shop.states)), np.array(shop.initial_weekend)])
    season = np.array(shop.initial_season)[None] ** wave[:, None]
    table = np.array(shop.initial) * quarter[:, None, None] * weekend[:, None] * season
    table /= table.sum(-1, keepdims=True)
    return np.asarray(table.reshape(-1, len(shop.states)))


def hour_weights(shop: Shop) -> Floats:
    """Return the share of sessions that start in each hour of the log; [hours]."""
    hours = np.arange(shop.begin_ms, shop.end_ms, HOUR) + shop.clock_hours * HOUR
    weekday = (hours // DAY + 3) % 7
    weights = np.array(shop.hour_weight)[hours % DAY // HOUR] * np.array(shop.weekday_weight)[weekday]
    return np.asarray(weights / weights.sum())


def mean_initial(shop: Shop) -> Floats:
    """Return the first state's distribution averaged over the times at which sessions start; [S]."""
    hours = np.arange(shop.begin_ms, shop.end_ms, HOUR)
    return np.asarray(hour_weights(shop) @ initial_table(shop)[clock_cells(shop, hours)])


def late_occupancy(shop: Shop) -> Floats:
    """Return how often a session is in each state at an event that is not its first; [S], expected visits.

    The sum of initial @ running**n over n >= 1, which is where a session's last events begin when the
    earlier ones are cut off and their number is not known.
    """
    running = shop.running
    visits = np.linalg.solve((np.eye(len(running)) - running).T, mean_initial(shop))
    return np.asarray(visits @ running)


def will_buy(shop: Shop) -> Floats:
    """Return the probability that a session at an event in state z ends with a purchase; [S]."""
    running = shop.running
    return np.linalg.solve(np.eye(len(running)) - running, np.array(shop.buy))


@dataclass(frozen=True)
class Paths:
    """Hidden paths of n sessions: session i's states are state[offsets[i]:offsets[i + 1]]."""

    offsets: NDArray[np.int64]
    state: NDArray[np.int8]
    buyer: NDArray[np.bool_]


def draw_paths(shop: Shop, start: NDArray[np.int64], random: np.random.Generator) -> Paths:
    """Let sessions that start at the given times (milliseconds, UTC) walk until each buys or leaves."""
    count, states = len(start), len(shop.states)
    outcomes = alias(list(np.column_stack([shop.running, shop.buy, shop.leave])))
    cells = clock_cells(shop, start)
    walking, state = np.arange(count), alias(list(initial_table(shop))).draw(cells, random)
    buyer, length = np.zeros(count, bool), np.zeros(count, np.int64)
    steps = []
    while len(walking):
        steps.append((walking, state.astype(np.int8)))
        outcome = outcomes.draw(state, random)
        on = outcome < states
        length[walking[~on]] = len(steps)
        buyer[walking[outcome == states]] = True
        walking, state = walking[on], outcome[on]
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    flat = np.empty(offsets[-1], np.int8)
    for step, (sessions, state_here) in enumerate(steps):
        flat[offsets[sessions] + step] = state_here
    return Paths(offsets, flat, buyer)
