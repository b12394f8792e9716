"""The hidden chain: its first state by the clock, its paths, and what follows from it in closed form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import alias
from rabbithole.simulator.shop import Shop

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


def forward(
    initial: Floats,
    running: Floats,
    log_emission: Floats,
    offsets: NDArray[np.int64],
    steps: list[int] | None = None,
) -> tuple[Floats, dict[int, tuple[NDArray[np.int64], Floats]]]:
    """Return P(state at the last event | all events), and the same after the first k events.

    initial: [n, S], any positive scale. running: [S, S], weight of going on from one state to another (rows
    may sum to less than 1). log_emission: [total, S], log P(event | state) less anything that an event's
    states share. offsets: int64 [n + 1], sequence i's events are offsets[i]:offsets[i + 1], at least one.

    Gives weights [n, S] that sum to 1 a row, and for each k of `steps` the (ascending) numbers of the
    sequences with at least k events and their weights then. Weights are scaled at each event, so that no
    length underflows. An event that no state can show is a ValueError.
    """
    length = np.diff(offsets)
    order = np.argsort(-length, kind="stable")
    # Sequences from the longest to the shortest: those still running are always the first ones.
    alive = np.searchsorted(-length[order], -np.arange(1, int(length.max(initial=0)) + 1), side="right")
    weights = np.empty((len(length), len(running)))
    after: dict[int, tuple[NDArray[np.int64], Floats]] = {}
    wanted = set(steps or [])
    for step, count in enumerate(alive):
        ahead = initial[order] if step == 0 else weights[:count] @ running
        emission = log_emission[offsets[order[:count]] + step]
        # Only the states that can be reached set the scale: else a far likelier state would drown them.
        with np.errstate(divide="ignore"):
            emission = emission + np.log(ahead)
        top = emission.max(1, keepdims=True)
        if not np.isfinite(top).all():
            raise ValueError("an event that no state can show")
        weight = np.exp(emission - top)
        weights[:count] = weight / weight.sum(1, keepdims=True)
        if step + 1 in wanted:
            back = np.argsort(order[:count])
            after[step + 1] = order[:count][back], weights[:count][back]
    final = np.empty_like(weights)
    final[order] = weights
    return final, after
