"""Returning visitors: the oracle is calibrated, and is the sum over all paths; history tells something."""

from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from rabbithole.simulator.returning import ReturningShop, Visits, draw_visits
from rabbithole.simulator.returning_posterior import session_posteriors, visit_posteriors
from rabbithole.simulator.shop import Floats

SHOP = ReturningShop()


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
    known, alone = visit_posteriors(SHOP, visits), session_posteriors(SHOP, visits, prior)
    for posterior in (known, alone):
        for score in (posterior.ended, posterior.after_first):
            for part in np.array_split(np.argsort(score), 8):
                expected, buyers = score[part].mean(), visits.buyer[part].mean()
                error = np.sqrt((score[part] * (1 - score[part])).sum()) / len(part)
                assert abs(expected - buyers) < 4 * error
    aucs = {
        name: [roc_auc_score(visits.buyer, part) for part in (score.ended, score.after_first)]
        for name, score in (("known", known), ("alone", alone))
    }
    assert 0.03 < aucs["known"][0] - aucs["alone"][0] < 0.08


def test_oracle_is_the_sum_over_all_hidden_states() -> None:
    visits = draw_visits(SHOP, 40, np.random.default_rng(2))
    first = np.flatnonzero(np.isnan(visits.pause))
    score = visit_posteriors(SHOP, visits).ended
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


@pytest.mark.parametrize(
    "change",
    [{"leaning": (0.5, 0.3, 0.1)}, {"leave": (0.99, 0.99)}, {"carts": (0.1,)}, {"returns": (1, 1, 1)}],
)
def test_parameters_that_are_no_model_are_refused(change: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        ReturningShop.model_validate(SHOP.model_dump() | change)
