"""The oracle equals sums over all hidden paths, computed from the sessions' rows without its code."""

from datetime import UTC, datetime, timedelta
from itertools import product
from math import erfc, exp, log, sin, sqrt, tau
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rabbithole.artifacts.evaluation import NextEventMetrics
from rabbithole.errors import UserError
from rabbithole.evaluation.next_event_oracle import evaluate_oracle
from rabbithole.simulator.oracle import score_oracle
from rabbithole.simulator.posterior import dwell_survival
from rabbithole.simulator.shop import Shop
from rabbithole.simulator.write import load_shop, simulate
from rabbithole.simulator.yoochoose import BRANDS, NUMBERS
from rabbithole.specs.data import OracleSpec, SimulateSpec, SparkOptions, SplitSpec

Floats = NDArray[np.float64]
Row = dict[str, Any]
NAMES = ("yoochoose", "retailrocket")
LONGEST = 6
"""Events of the longest session whose paths are enumerated."""
LISTS = ("item", "timestamp", "event", "category")
MANY_STEPS = 600
"""Steps after which a sum over session lengths has converged."""


def initial_distribution(shop: Shop, start: datetime) -> Floats:
    """Return the initial distribution at a time, from the description of `Shop`."""
    local = start + timedelta(hours=shop.utc_offset_hours)
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


def mean_initial_distribution(shop: Shop) -> Floats:
    """Return the initial distribution over all hours of the log, weighted by their sessions."""
    hour, total, weights = begin(shop), np.zeros(len(shop.states)), 0.0
    while hour < datetime.fromisoformat(shop.end).replace(tzinfo=UTC):
        local = hour + timedelta(hours=shop.utc_offset_hours)
        weight = shop.hour_weight[local.hour] * shop.weekday_weight[local.weekday()]
        total, weights = total + weight * initial_distribution(shop, hour), weights + weight
        hour += timedelta(hours=1)
    return total / weights


def continuation(shop: Shop) -> Floats:
    """Return the probabilities of continuing from one state to another."""
    states = range(len(shop.states))
    return np.array(
        [[shop.transition[a][b] * (1 - shop.buy[a] - shop.leave[a]) for b in states] for a in states]
    )


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
        positions = [2 * k / (shop.classes - 1) - 1 for k in range(shop.classes)]
        weight = [exp(shop.tilt[state] * position) for position in positions]
        return float((1 - shop.rare[state]) * weight[row["group"]] / sum(weight) * row["share"])

    def probability(self, state: int, item: str, previous: str | None) -> float:
        """Return P(item | state, previous item)."""
        if previous is None:
            return self.new(state, item)
        repeat = self.shop.repeat[state]
        return repeat * (item == previous) + (1 - repeat) * self.new(state, item)


def dwell_probability(shop: Shop, state: int, milliseconds: int) -> float:
    """Return the probability of a dwell time of so many whole milliseconds."""

    def survival(dwell: float) -> float:
        deviation = log(dwell / 1000 / shop.dwell_median[state]) / shop.dwell_sigma[state]
        return 0.5 * erfc(deviation / sqrt(2))

    if milliseconds >= shop.dwell_cap * 1000:
        return survival(shop.dwell_cap * 1000)
    return survival(max(milliseconds, 1e-300)) - survival(milliseconds + 1)


def emissions(shop: Shop, items: Items, row: Row) -> Floats:
    """Return P(event | state) for each event of a session and each state."""
    out = np.ones((len(row["item"]), len(shop.states)))
    for step, when in enumerate(row["timestamp"]):
        previous = row["item"][step - 1] if step else None
        for state in range(len(shop.states)):
            probability = shop.event_emission[state][shop.event_types.index(row["event"][step])]
            if shop.contexts and when >= datetime.fromisoformat(shop.context_from).replace(tzinfo=UTC):
                category = row["category"][step] or "0"
                name = category if category in "0S" else "number" if int(category) <= 12 else "brand"
                probability *= shop.context_emission[state][shop.contexts.index(name)]
            probability *= items.probability(state, row["item"][step], previous)
            if step:
                dwell = (when - row["timestamp"][step - 1]) // timedelta(milliseconds=1)
                probability *= dwell_probability(shop, state, dwell)
            out[step, state] = probability
    return out


def last_states(initial: Floats, transition: Floats, emission: Floats) -> Floats:
    """Return the joint probability of each last state and the events, summed path by path."""
    states, steps = range(len(initial)), len(emission)
    paths = np.array(list(product(states, repeat=steps)))
    probability = initial[paths[:, 0]] * emission[0, paths[:, 0]]
    for step in range(1, steps):
        probability *= transition[paths[:, step - 1], paths[:, step]] * emission[step, paths[:, step]]
    return np.array([probability[paths[:, -1] == state].sum() for state in states])


def build_simulated(folder: Path, format: str, spark: SparkOptions, **changes: Any) -> Path:
    """Simulate a small log and build its sessions; return the folder of `raw` and `sessions`."""
    simulate(SimulateSpec(shop=format, sessions=4000, seed=5), output=folder / "raw")
    values: Row = {
        "by": "session" if format == "yoochoose" else "visitor",
        "split": SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
        "open_horizon_hours": 1.0,
    }
    return factories.build(
        folder,
        spark,
        events=factories.events_spec(format, folder / "raw"),
        sessions=factories.sessions_spec(**values | changes),
    )


@pytest.fixture(scope="module", params=NAMES)
def simulated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions
) -> tuple[Path, Shop]:
    """Return a folder with a small raw log and its sessions, and the shop."""
    folder = tmp_path_factory.mktemp(request.param)
    return build_simulated(folder, request.param, spark), load_shop(request.param).SHOP


@pytest.mark.spark
def test_scores_are_sums_over_all_hidden_paths(simulated: tuple[Path, Shop], tmp_path: Path) -> None:
    folder, shop = simulated
    scores: dict[int, dict[tuple[int, str], float]] = {}
    for window in (100, 3):
        score_oracle(
            OracleSpec(window=window, steps=(1, 2, 4, 100), keep_open=True),
            sessions=folder / "sessions",
            parameters=folder / "raw" / "parameters.json",
            output=tmp_path / "scores.parquet",
        )
        rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
        scores[window] = {(row["steps"], row["session_id"]): row["score"] for row in rows}

    items, transition = Items(shop, folder / "raw" / "items.parquet"), continuation(shop)
    buy, leave = np.array(shop.buy), np.array(shop.leave)
    powers = [np.eye(len(buy))]
    for _ in range(MANY_STEPS):
        powers.append(powers[-1] @ transition)
    will_buy = sum(powers) @ buy
    # A session that is cut to its window began one, two, ... events before it.
    cut_off = mean_initial_distribution(shop) @ sum(powers[1:])

    test = [row for row in pq.read_table(folder / "sessions").to_pylist() if row["split"] == "test"]
    assert {name for _, name in scores[100]} == {row["session_id"] for row in test}
    checked = 0
    for length in range(1, LONGEST + 1):
        for row in [row for row in test if len(row["item"]) == length][:12]:
            name, emission = row["session_id"], emissions(shop, items, row)
            initial = initial_distribution(shop, row["timestamp"][0])
            ended = last_states(initial, transition, emission)
            expected = {(0, 100): ended @ buy / (ended @ (buy + leave))}
            if length > 3:
                ended = last_states(cut_off, transition, emission[-3:])
            expected[0, 3] = ended @ buy / (ended @ (buy + leave))
            for k in (1, 2, 4):
                assert ((k, name) in scores[100]) == (k <= length)
                if k <= length:
                    running = last_states(initial, transition, emission[:k])
                    expected[k, 100] = running @ will_buy / running.sum()
            for (k, window), value in expected.items():
                assert scores[window][k, name] == pytest.approx(value, rel=2e-3), (name, k, window)
            checked += 1
    assert checked >= 40
    assert not any(k == 100 for k, _ in scores[100])


def category_probabilities(shop: Shop) -> dict[str, Floats]:
    """Return P(category | state) of every category that the log may show."""
    context = dict(zip(shop.contexts, np.array(shop.context_emission).T, strict=True))
    probabilities = {"no category": context["0"], "S": context["S"]}
    for name, words, power in (("number", NUMBERS, 1.5), ("brand", BRANDS, 2)):
        for position, word in enumerate(words):
            upper, lower = ((edge / len(words)) ** (1 / power) for edge in (position + 1, position))
            probabilities[word] = context[name] * (upper - lower)
    return probabilities


@pytest.mark.spark
def test_next_events_are_sums_over_all_hidden_paths(simulated: tuple[Path, Shop], tmp_path: Path) -> None:
    """Every cross-entropy of the first three events of all test sessions, summed path by path."""
    folder, shop = simulated
    rows = pq.read_table(folder / "sessions").to_pylist()
    test = [row for row in rows if row["split"] == "test"]
    # One category is left out, as if train did not contain it.
    known = sorted({word for row in rows for word in row["category"] if word})[1:]
    vocabularies = {"event": list(shop.event_types), "category": known if shop.contexts else []}
    evaluate_oracle(
        OracleSpec(window=3, steps=(1,), keep_open=True),
        sessions=folder / "sessions",
        parameters=folder / "raw" / "parameters.json",
        windows=factories.write_windows(tmp_path / "windows", vocabularies=vocabularies),
        output=tmp_path / "next_event.json",
    )
    items, transition = Items(shop, folder / "raw" / "items.parquet"), continuation(shop)
    event_emission = np.array(shop.event_emission).T
    categories = category_probabilities(shop) if shop.contexts else {}
    classes = [*known, "no category"]
    nats: dict[str, list[float]] = {"event": [], "category": []}
    for row in test:
        emission = emissions(shop, items, {key: row[key][:3] if key in LISTS else row[key] for key in row})
        for seen in range(1, min(3, len(row["item"])) + 1):
            state = last_states(initial_distribution(shop, row["timestamp"][0]), transition, emission[:seen])
            state /= state.sum()
            if seen == len(row["item"]):
                nats["event"].append(-log(state @ np.array(shop.buy if row["buyer"] else shop.leave)))
            elif seen < 3:
                following = state @ transition
                event_type = shop.event_types.index(row["event"][seen])
                nats["event"].append(-log(following @ event_emission[event_type]))
                category = row["category"][seen] or "no category"
                if shop.contexts and category in classes:
                    total = sum(following @ categories[word] for word in classes)
                    nats["category"].append(-log(following @ categories[category] / total))
    metrics = NextEventMetrics.read(tmp_path / "next_event.json")
    for question, values in (("event", nats["event"]), ("category", nats["category"])):
        answer = getattr(metrics, question)
        if not values:
            assert answer is None
            continue
        assert answer.predictions == len(values)
        assert answer.cross_entropy.value == pytest.approx(np.mean(values), rel=1e-3)
        assert metrics.event.by_steps[0].predictions == len(test)


@pytest.mark.parametrize("name", NAMES)
def test_dwell_survival_agrees_with_the_probability_of_each_millisecond(name: str) -> None:
    """P(at least n ms) - P(at least n + 1 ms) is P(exactly n ms)."""
    shop = load_shop(name).SHOP
    cap = int(shop.dwell_cap * 1000)
    for wait in (1000, 60_000, 3_600_000):
        survival, next_survival = dwell_survival(shop, np.array([wait, wait + 1]))
        exactly = [dwell_probability(shop, state, wait) for state in range(len(shop.states))]
        assert survival - next_survival == pytest.approx(exactly, rel=1e-6)
    before, at_cap, beyond = dwell_survival(shop, np.array([-5, cap, cap + 1]))
    assert before == pytest.approx(1)
    assert at_cap == pytest.approx([dwell_probability(shop, state, cap) for state in range(len(shop.states))])
    assert beyond == pytest.approx(0)


@pytest.mark.spark
def test_other_sessions_than_the_simulated_ones_have_no_oracle(tmp_path: Path, spark: SparkOptions) -> None:
    folder = build_simulated(tmp_path, "retailrocket", spark, gap_minutes=30.0)
    with pytest.raises(UserError, match="no oracle"):
        score_oracle(
            OracleSpec(window=100, steps=(), keep_open=True),
            sessions=folder / "sessions",
            parameters=folder / "raw" / "parameters.json",
            output=tmp_path / "scores.parquet",
        )
    assert not (tmp_path / "scores.parquet").exists()
