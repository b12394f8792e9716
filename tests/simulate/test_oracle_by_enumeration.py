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
from rabbithole.evaluation.next_event_oracle import evaluate_oracle
from rabbithole.ingest.build import build_events
from rabbithole.ingest.locate import locate
from rabbithole.io.atomic import read_json, write_json
from rabbithole.sessions.build import build_sessions
from rabbithole.simulator.next_event import waits_at_least
from rabbithole.simulator.oracle import score_oracle
from rabbithole.simulator.shop import Shop
from rabbithole.simulator.shops import SHOPS
from rabbithole.simulator.write import simulate
from rabbithole.simulator.yoochoose import BRANDS, NUMBERS
from rabbithole.spark.session import SparkOptions

Floats = NDArray[np.float64]
Row = dict[str, Any]
LONGEST = 6
LISTS = ("item", "timestamp", "event", "category")
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


@pytest.fixture(scope="module", params=["yoochoose", "retailrocket"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions
) -> tuple[Path, Shop]:
    """Return the folder of a small log's sessions, its raw files beside, and the shop."""
    folder = tmp_path_factory.mktemp(request.param)
    return sessions_of(folder, request.param, spark), SHOPS[request.param]


def test_scores_are_sums_over_all_hidden_paths(built: tuple[Path, Shop], tmp_path: Path) -> None:
    (sessions, shop), raw = built, built[0].with_name("raw")
    scores: dict[int, dict[tuple[int, str], float]] = {}
    for window in (100, 3):
        score_oracle(
            sessions=sessions,
            parameters=raw / "parameters.json",
            output=tmp_path / "scores.parquet",
            window=window,
            steps=[1, 2, 4, 100],
            keep_open=True,
        )
        rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
        scores[window] = {(row["steps"], row["session_id"]): row["score"] for row in rows}

    items, going = Items(shop, raw / "items.parquet"), going_on(shop)
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


def category_chances(shop: Shop) -> dict[str, Floats]:
    """Return P(category | state) of every category that the log may show."""
    context = dict(zip(shop.contexts, np.array(shop.context).T, strict=True))
    found = {"no category": context["0"], "S": context["S"]}
    for name, words, power in (("number", NUMBERS, 1.5), ("brand", BRANDS, 2)):
        for place, word in enumerate(words):
            share = ((place + 1) / len(words)) ** (1 / power) - (place / len(words)) ** (1 / power)
            found[word] = context[name] * share
    return found


def test_next_events_are_sums_over_all_hidden_paths(built: tuple[Path, Shop], tmp_path: Path) -> None:
    """Every cross-entropy of the first three events of all test sessions, added up path by path."""
    (sessions, shop), raw = built, built[0].with_name("raw")
    rows = pq.read_table(sessions).to_pylist()
    test = [row for row in rows if row["split"] == "test"]
    # One category is held back, as if train had never seen it.
    known = sorted({word for row in rows for word in row["category"] if word})[1:]
    vocabularies = {"event": list(shop.kinds), "category": known if shop.contexts else []}
    write_json(tmp_path / "windows" / "encoder.json", {"vocabularies": vocabularies})
    evaluate_oracle(
        sessions=sessions,
        parameters=raw / "parameters.json",
        windows=tmp_path / "windows",
        window=3,
        steps=[1],
        keep_open=True,
        output=tmp_path / "next_event.json",
    )
    items, going = Items(shop, raw / "items.parquet"), going_on(shop)
    kind, categories = np.array(shop.kind).T, category_chances(shop) if shop.contexts else {}
    allowed = [*known, "no category"]
    nats: dict[str, list[float]] = {"event": [], "category": []}
    for row in test:
        emission = emissions(shop, items, {key: row[key][:3] if key in LISTS else row[key] for key in row})
        for seen in range(1, min(3, len(row["item"])) + 1):
            now = last_states(first_state(shop, row["timestamp"][0]), going, emission[:seen])
            now /= now.sum()
            if seen == len(row["item"]):
                nats["event"].append(-log(now @ np.array(shop.buy if row["buyer"] else shop.leave)))
            elif seen < 3:
                ahead = now @ going
                nats["event"].append(-log(ahead @ kind[shop.kinds.index(row["event"][seen])]))
                came = row["category"][seen] or "no category"
                if shop.contexts and came in allowed:
                    total = sum(ahead @ categories[word] for word in allowed)
                    nats["category"].append(-log(ahead @ categories[came] / total))
    found = read_json(tmp_path / "next_event.json")
    for question, values in nats.items():
        if not values:
            assert found[question] is None
            continue
        assert found[question]["predictions"] == len(values)
        assert found[question]["cross_entropy"]["value"] == pytest.approx(np.mean(values), rel=1e-3)
        assert found["event"]["by_steps"][0]["predictions"] == len(test)


@pytest.mark.parametrize("format", ["yoochoose", "retailrocket"])
def test_the_next_event_waits_as_long_as_the_states_say(format: str) -> None:
    """Of whole milliseconds: at least so long, less at least one more, is exactly so long."""
    shop = SHOPS[format]
    cap = int(shop.dwell_cap * 1000)
    for wait in (1000, 60_000, 3_600_000):
        here, later = waits_at_least(shop, np.array([wait, wait + 1]))
        exactly = [wait_probability(shop, state, wait) for state in range(len(shop.states))]
        assert here - later == pytest.approx(exactly, rel=1e-6)
    before, at, beyond = waits_at_least(shop, np.array([-5, cap, cap + 1]))
    assert before == pytest.approx(1)
    assert at == pytest.approx([wait_probability(shop, state, cap) for state in range(len(shop.states))])
    assert beyond == pytest.approx(0)


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
