"""The oracle against sums over every hidden path, from the sessions' own rows, with nothing of its code."""

from datetime import UTC, datetime, timedelta
from itertools import product
from math import erfc, exp, log, sin, sqrt, tau
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.sessions.build import build_sessions
from rabbithole.simulate.oracle import score_oracle
from rabbithole.simulate.shop import Shop
from rabbithole.simulate.shops import SHOPS
from rabbithole.simulate.write import simulate
from rabbithole.sources.build import build_events
from rabbithole.sources.locate import locate
from rabbithole.spark import SparkOptions

Floats = NDArray[np.float64]
Row = dict[str, Any]
LONGEST = 6
ENDLESS = 600
"""Steps after which a sum over lengths has long converged."""


def first_state(shop: Shop, start: datetime) -> Floats:
    """Return the first state's distribution at a time, from the description of `Shop`."""
    local = start + timedelta(hours=shop.clock_hours)
    week = (start - begin(shop)) // timedelta(weeks=1) % 13
    weights = []
    for state, share in enumerate(shop.initial):
        weight = share * shop.initial_quarter[state][local.hour // 6]
        weight *= shop.initial_weekend[state] if local.weekday() >= 5 else 1
        weights.append(weight * shop.initial_season[state] ** sin(tau * week / 13))
    return np.array(weights) / sum(weights)


def begin(shop: Shop) -> datetime:
    """Return the log's first moment."""
    return datetime.fromisoformat(shop.begin).replace(tzinfo=UTC)


def mean_first_state(shop: Shop) -> Floats:
    """Return the first state's distribution over all hours of the log, as busy as they are."""
    hours, total, busy = begin(shop), np.zeros(len(shop.states)), 0.0
    while hours < datetime.fromisoformat(shop.end).replace(tzinfo=UTC):
        local = hours + timedelta(hours=shop.clock_hours)
        weight = shop.hour_weight[local.hour] * shop.weekday_weight[local.weekday()]
        total, busy = total + weight * first_state(shop, hours), busy + weight
        hours += timedelta(hours=1)
    return total / busy


def going_on(shop: Shop) -> Floats:
    """Return the probabilities of going on from one state to another."""
    states = range(len(shop.states))
    return np.array([[shop.go[a][b] * (1 - shop.buy[a] - shop.leave[a]) for b in states] for a in states])


class Items:
    """The probability of each item as a state's new one, from items.parquet."""

    def __init__(self, shop: Shop, path: Path) -> None:
        self.shop = shop
        self.rows = {str(row["item"]): row for row in pq.read_table(path).to_pylist()}

    def new(self, state: int, item: str) -> float:
        """Return P(item | state, a new one)."""
        shop, row = self.shop, self.rows[item]
        if row["group"] >= shop.classes:
            return float(shop.rare[state] / shop.classes * row["share"])
        places = [2 * k / (shop.classes - 1) - 1 for k in range(shop.classes)]
        weight = [exp(shop.tilt[state] * place) for place in places]
        return float((1 - shop.rare[state]) * weight[row["group"]] / sum(weight) * row["share"])

    def probability(self, state: int, item: str, before: str | None) -> float:
        """Return P(item | state, the item before)."""
        if before is None:
            return self.new(state, item)
        again = self.shop.repeat[state]
        return again * (item == before) + (1 - again) * self.new(state, item)


def wait_probability(shop: Shop, state: int, milliseconds: int) -> float:
    """Return the probability of a wait of so many whole milliseconds."""

    def longer(wait: float) -> float:
        away = log(wait / 1000 / shop.dwell_median[state]) / shop.dwell_sigma[state]
        return 0.5 * erfc(away / sqrt(2))

    if milliseconds >= shop.dwell_cap * 1000:
        return longer(shop.dwell_cap * 1000)
    return longer(max(milliseconds, 1e-300)) - longer(milliseconds + 1)


def emissions(shop: Shop, items: Items, row: Row) -> Floats:
    """Return P(event | state) for each event of a session and each state."""
    out = np.ones((len(row["item"]), len(shop.states)))
    for step, when in enumerate(row["timestamp"]):
        before = row["item"][step - 1] if step else None
        for state in range(len(shop.states)):
            chance = shop.kind[state][shop.kinds.index(row["event"][step])]
            if shop.contexts and when >= datetime.fromisoformat(shop.context_from).replace(tzinfo=UTC):
                category = row["category"][step] or "0"
                name = category if category in "0S" else "number" if int(category) <= 12 else "brand"
                chance *= shop.context[state][shop.contexts.index(name)]
            chance *= items.probability(state, row["item"][step], before)
            if step:
                wait = (when - row["timestamp"][step - 1]) // timedelta(milliseconds=1)
                chance *= wait_probability(shop, state, wait)
            out[step, state] = chance
    return out


def last_states(first: Floats, going: Floats, emission: Floats) -> Floats:
    """Return the probability of each last state together with the events, path by path."""
    states, steps = range(len(first)), len(emission)
    paths = np.array(list(product(states, repeat=steps)))
    chance = first[paths[:, 0]] * emission[0, paths[:, 0]]
    for step in range(1, steps):
        chance *= going[paths[:, step - 1], paths[:, step]] * emission[step, paths[:, step]]
    return np.array([chance[paths[:, -1] == state].sum() for state in states])


def sessions_of(folder: Path, format: str, spark: SparkOptions, **settings: Any) -> Path:
    """Simulate a small log, read it and build its sessions; return their folder."""
    simulate(format=format, sessions=4000, seed=5, output=folder / "raw")
    build_events(
        format=format,
        files=locate(format, str(folder / "raw")),
        output=folder / "events",
        rejected=folder / "rejected",
        max_rejected=0.0,
        drop_duplicates=True,
        spark=spark,
    )
    told: dict[str, Any] = {"by": "session" if format == "yoochoose" else "visitor", "gap_minutes": None}
    build_sessions(
        events=folder / "events",
        output=folder / "sessions",
        **(told | settings),
        cost="event",
        split={"by": "time", "shares": [0.8, 0.1, 0.1]},
        open_horizon_hours=1,
        seed=0,
        spark=spark,
    )
    return folder / "sessions"


@pytest.mark.parametrize("format", ["yoochoose", "retailrocket"])
def test_scores_are_sums_over_all_hidden_paths(format: str, tmp_path: Path, spark: SparkOptions) -> None:
    sessions, shop = sessions_of(tmp_path, format, spark), SHOPS[format]
    scores: dict[int, dict[tuple[int, str], float]] = {}
    for window in (100, 3):
        score_oracle(
            sessions=sessions,
            parameters=tmp_path / "raw" / "parameters.json",
            output=tmp_path / "scores.parquet",
            window=window,
            steps=[1, 2, 4, 100],
            keep_open=True,
        )
        rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
        scores[window] = {(row["steps"], row["session_id"]): row["score"] for row in rows}

    items, going = Items(shop, tmp_path / "raw" / "items.parquet"), going_on(shop)
    buy, leave = np.array(shop.buy), np.array(shop.leave)
    powers = [np.eye(len(buy))]
    for _ in range(ENDLESS):
        powers.append(powers[-1] @ going)
    will_buy = sum(powers) @ buy
    # A session cut to its window began one, two, ... events before it.
    cut_off = mean_first_state(shop) @ sum(powers[1:])

    test = [row for row in pq.read_table(sessions).to_pylist() if row["split"] == "test"]
    assert {name for _, name in scores[100]} == {row["session_id"] for row in test}
    checked = 0
    for length in range(1, LONGEST + 1):
        for row in [row for row in test if len(row["item"]) == length][:12]:
            name, emission = row["session_id"], emissions(shop, items, row)
            first = first_state(shop, row["timestamp"][0])
            ended = last_states(first, going, emission)
            expected = {(0, 100): ended @ buy / (ended @ (buy + leave))}
            if length > 3:
                ended = last_states(cut_off, going, emission[-3:])
            expected[0, 3] = ended @ buy / (ended @ (buy + leave))
            for k in (1, 2, 4):
                assert ((k, name) in scores[100]) == (k <= length)
                if k <= length:
                    running = last_states(first, going, emission[:k])
                    expected[k, 100] = running @ will_buy / running.sum()
            for (k, window), value in expected.items():
                assert scores[window][k, name] == pytest.approx(value, rel=2e-3), (name, k, window)
            checked += 1
    assert checked >= 40
    assert not any(k == 100 for k, _ in scores[100])


def test_there_is_no_oracle_for_other_sessions_than_the_simulated(
    tmp_path: Path, spark: SparkOptions
) -> None:
    sessions = sessions_of(tmp_path, "retailrocket", spark, gap_minutes=30)
    with pytest.raises(UserError, match="no oracle"):
        score_oracle(
            sessions=sessions,
            parameters=tmp_path / "raw" / "parameters.json",
            output=tmp_path / "scores.parquet",
            window=100,
            steps=[],
            keep_open=True,
        )
    assert not (tmp_path / "scores.parquet").exists()
