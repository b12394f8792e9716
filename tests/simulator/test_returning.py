"""Returning visitors: the oracle is calibrated, and is the sum over all paths; history helps."""

from itertools import product
from pathlib import Path

import factories
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from rabbithole.config.datasets import Dataset
from rabbithole.simulator.returning import ReturningShop, Visits, draw_visits
from rabbithole.simulator.returning_oracle import score_returning, session_posteriors, visit_posteriors
from rabbithole.simulator.shop import Floats
from rabbithole.simulator.write import simulate
from rabbithole.specs.data import OracleSpec, SimulateSpec, SparkOptions, SplitSpec

SHOP = ReturningShop()
STEPS = (1, 3, 5)


def carts_at_start(visits: Visits) -> Floats:
    """Return whether the cart holds something at the start of each session, by going through the log."""
    full, result = False, []
    for session, pause in enumerate(visits.pause):
        full = full and not np.isnan(pause)
        result.append(full)
        events = slice(visits.offsets[session], visits.offsets[session + 1])
        full = (full or bool(visits.cart[events].any())) and not visits.buyer[session]
    return np.array(result, float)


def test_oracle_is_calibrated_and_history_is_worth_something() -> None:
    visits = draw_visits(SHOP, 60_000, np.random.default_rng(1))
    full = carts_at_start(visits).astype(int)
    assert np.array_equal(full, visits.full)
    prior = np.zeros((len(SHOP.leaning), 2))
    np.add.at(prior, (visits.leaning, full), 1 / len(full))
    known, alone = visit_posteriors(SHOP, visits, STEPS), session_posteriors(SHOP, visits, prior, STEPS)
    for posterior in (known, alone):
        for score in (posterior.ended, *posterior.running):
            for part in np.array_split(np.argsort(score)[: np.isfinite(score).sum()], 8):
                expected, buyers = score[part].mean(), visits.buyer[part].mean()
                error = np.sqrt((score[part] * (1 - score[part])).sum()) / len(part)
                assert abs(expected - buyers) < 4 * error
    aucs = {
        name: roc_auc_score(visits.buyer, score.ended) for name, score in (("known", known), ("alone", alone))
    }
    assert 0.03 < aucs["known"] - aucs["alone"] < 0.08


def test_oracle_is_the_sum_over_all_hidden_states() -> None:
    visits = draw_visits(SHOP, 40, np.random.default_rng(2))
    first = np.flatnonzero(np.isnan(visits.pause))
    score = visit_posteriors(SHOP, visits, ()).ended
    checked = 0
    for begin, end in zip(first, np.append(first[1:], len(visits.pause)), strict=True):
        for last in range(int(begin), int(min(end, begin + 5))):
            bought = left = 0.0
            choices = product(
                range(len(SHOP.leaning)), range(SHOP.categories), *[(0, 1)] * (last - begin + 1)
            )
            for leaning, favourite, *intentions in choices:
                buys, leaves = path_weight(visits, int(begin), leaning, favourite, intentions)
                bought, left = bought + buys, left + leaves
            assert score[last] == pytest.approx(bought / (bought + left), rel=1e-9)
            checked += int(last > begin)
    assert checked > 20


def path_weight(
    visits: Visits, begin: int, leaning: int, favourite: int, intentions: list[int]
) -> tuple[float, float]:
    """Return the joint weights of hidden states, a visitor's sessions, and a last one that buys or leaves."""
    weight, full = float(SHOP.leaning[leaning]), 0
    before, full_before = 0, 0
    for number, intent in enumerate(intentions):
        session = begin + number
        if number:
            weight *= SHOP.buy[before][full_before] if visits.buyer[session - 1] else SHOP.leave[before]
            away = np.log((visits.pause[session] - SHOP.gap) / SHOP.pause_median[leaning]) / SHOP.pause_sigma
            weight *= SHOP.returns[leaning] * np.exp(-0.5 * away**2)
            full = 0 if visits.buyer[session - 1] else full
        weight *= SHOP.intends[leaning][full] if intent else 1 - SHOP.intends[leaning][full]
        for event in range(int(visits.offsets[session]), int(visits.offsets[session + 1])):
            if event > visits.offsets[session]:
                weight *= 1 - SHOP.buy[intent][full] - SHOP.leave[intent]
            weight *= SHOP.carts[intent] if visits.cart[event] else 1 - SHOP.carts[intent]
            liked = SHOP.favourite[intent] * (visits.category[event] == favourite)
            weight *= (1 - SHOP.favourite[intent]) / SHOP.categories + liked
            full = max(full, int(visits.cart[event]))
        before, full_before = intent, full
    return weight * SHOP.buy[before][full_before], weight * SHOP.leave[before]


def visits_of_log(path: Path) -> tuple[Visits, pd.DataFrame]:
    """Return the visits of a log, and their visitors and starts, by going through its rows."""
    log = pd.read_csv(path).sort_values(["visitor", "time"], ignore_index=True)
    pause = log.groupby("visitor")["time"].diff() / 3_600_000
    opens = pause.isna() | (pause > SHOP.gap)
    log["session"], log["pause"] = opens.cumsum() - 1, pause.where(opens)
    bought = log["event"] == "transaction"
    first = log[opens].reset_index(drop=True)
    seen = log[~bought]
    offsets = np.append(0, np.cumsum(seen.groupby("session").size()))
    cart, category = (seen["event"] == "addtocart").to_numpy(), seen["category"].to_numpy()
    unknown = np.zeros(len(first), bool), np.full(len(first), -1)
    buyer = bought.groupby(log["session"]).any().to_numpy()
    pauses = first["pause"].to_numpy()
    visits = Visits(
        first["visitor"].to_numpy(), offsets, pauses, unknown[0], buyer, cart, category, unknown[1]
    )
    return visits, first


@pytest.mark.spark
def test_scores_of_a_log_are_the_sums_for_its_sessions(tmp_path: Path, spark: SparkOptions) -> None:
    simulate(SimulateSpec(shop="returning", sessions=400, seed=3), output=tmp_path / "raw")
    table = Dataset.model_validate({"format": "returning"}).table_log
    split = SplitSpec(by="time", shares=(0.6, 0.2, 0.2))
    factories.build(
        tmp_path,
        spark,
        events=factories.events_spec("returning", tmp_path / "raw", table=table),
        sessions=factories.sessions_spec(by="visitor", gap_minutes=30.0, split=split),
    )
    known, alone = (oracle_scores(tmp_path, earlier) for earlier in (True, False))
    assert known.keys() == alone.keys()
    visits, first = visits_of_log(tmp_path / "raw" / "events.csv")
    names = first["visitor"].astype(str) + "@" + first["time"].astype(str)
    begin = np.maximum.accumulate(np.where(np.isnan(visits.pause), np.arange(len(first)), 0))
    checked = 0
    for session, name in enumerate(names):
        if (0, name) not in known or session - begin[session] > 3:
            continue
        bought = left = 0.0
        intentions = [(0, 1)] * (session - int(begin[session]) + 1)
        for leaning, favourite, *intents in product(range(3), range(SHOP.categories), *intentions):
            buys, leaves = path_weight(visits, int(begin[session]), leaning, favourite, intents)
            bought, left = bought + buys, left + leaves
        assert known[0, name] == pytest.approx(bought / (bought + left), rel=1e-6)
        assert (1, name) in known
        checked += int(known[0, name] != pytest.approx(alone[0, name]))
    assert checked > 20


def oracle_scores(folder: Path, earlier_sessions: bool) -> dict[tuple[int, str], float]:
    """Return the scores of a log's test sessions, by steps and `visitor@start`."""
    score_returning(
        OracleSpec(window=100, steps=(1, 3), keep_open=False, earlier_sessions=earlier_sessions),
        sessions=folder / "sessions",
        parameters=folder / "raw" / "parameters.json",
        output=folder / "scores.parquet",
    )
    sessions = pq.read_table(folder / "sessions", columns=["session_id", "visitor", "start"]).to_pandas()
    start = sessions["start"].astype("int64") // 1000
    names = dict(zip(sessions["session_id"], sessions["visitor"] + "@" + start.astype(str), strict=True))
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    return {(row["steps"], names[row["session_id"]]): row["score"] for row in rows}


@pytest.mark.parametrize(
    "change",
    [{"leaning": (0.5, 0.3, 0.1)}, {"leave": (0.99, 0.99)}, {"carts": (0.1,)}, {"returns": (1, 1, 1)}],
)
def test_parameters_that_are_no_model_are_refused(change: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        ReturningShop.model_validate(SHOP.model_dump() | change)
