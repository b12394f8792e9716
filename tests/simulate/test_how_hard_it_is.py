"""What the fixed parameters give: the published marginals, and an oracle that is right and no clairvoyant."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from rabbithole.simulator.catalogue import make_catalogue
from rabbithole.simulator.posterior import BestScores, ObservedEvents, best_scores
from rabbithole.simulator.shop import milliseconds
from rabbithole.simulator.shoppers import Events, draw_events, prepare
from rabbithole.simulator.shops import SHOPS

SESSIONS = {"yoochoose": 100_000, "retailrocket": 400_000}
STEPS = [1, 2, 3, 5]
Drawn = tuple[str, Events, BestScores]


@pytest.fixture(scope="module", params=list(SHOPS))
def drawn(request: pytest.FixtureRequest) -> Drawn:
    """Return a shop's name, sessions of it, and their best scores."""
    shop, count, random = SHOPS[request.param], SESSIONS[request.param], np.random.default_rng(7)
    catalogue = make_catalogue(shop, count, random)
    events = draw_events(shop, prepare(shop, catalogue), count, random)
    offsets = events.paths.offsets
    before = np.roll(events.item, 1)
    before[offsets[:-1]] = -1
    context = np.where(events.time >= milliseconds(shop.context_from), events.context, -1)
    seen = ObservedEvents(events.kind, context, events.item, before, events.dwell)
    start = events.time[offsets[:-1]]
    return shop.format, events, best_scores(shop, catalogue, seen, offsets, start, 100, STEPS)


def lengths(events: Events) -> NDArray[np.int64]:
    """Return each session's number of events."""
    return np.diff(events.paths.offsets)


def assert_calibrated(score: NDArray[np.float64], buyer: NDArray[np.bool_]) -> None:
    """Demand that in each tenth of the scores as many buy as the scores say, within binomial error."""
    order = np.argsort(score, kind="stable")
    for part in np.array_split(order, 10):
        expected, variance = score[part].sum(), (score[part] * (1 - score[part])).sum()
        # Twenty-odd such tenths a run: four and a half deviations are no accident.
        assert abs(buyer[part].sum() - expected) <= 4.5 * np.sqrt(variance) + 1


def test_the_oracle_s_probabilities_come_true(drawn: Drawn) -> None:
    _, events, best = drawn
    assert_calibrated(best.ended, events.paths.buyer)
    for which, score in best.running.values():
        assert_calibrated(score, events.paths.buyer[which])


def test_one_more_step_tells_more(drawn: Drawn) -> None:
    _, events, best = drawn
    buyer = events.paths.buyer
    for k in STEPS[1:]:
        which, score = best.running[k]
        before, score_before = best.running[STEPS[STEPS.index(k) - 1]]
        earlier = score_before[np.searchsorted(before, which)]
        assert roc_auc_score(buyer[which], score) > roc_auc_score(buyer[which], earlier)
    assert roc_auc_score(buyer, best.ended) > roc_auc_score(buyer, best.running[1][1]) + 0.1


def test_purchases_can_be_foreseen_but_not_from_the_length(drawn: Drawn) -> None:
    format, events, best = drawn
    buyer, length = events.paths.buyer, np.minimum(lengths(events), 50)
    oracle = roc_auc_score(buyer, best.ended)
    # YOOCHOOSE shows no context in its first twelve weeks; the later ones are what a split by time tests on.
    shop = SHOPS[format]
    late = events.time[events.paths.offsets[:-1]] >= max(milliseconds(shop.context_from), shop.begin_ms)
    assert 0.835 < roc_auc_score(buyer[late], best.ended[late]) < 0.875
    assert oracle > 0.82
    # The best use of the length, with the answers at hand: each length's own share of buyers.
    share = np.bincount(length, buyer) / np.maximum(1, np.bincount(length))
    assert roc_auc_score(buyer, share[length]) < oracle - 0.09


def test_marginals_are_near_the_published_ones(drawn: Drawn) -> None:
    format, events, _ = drawn
    length, share = lengths(events), events.paths.buyer.mean()
    carts = (events.kind == 1).mean()
    if format == "yoochoose":
        assert share == pytest.approx(0.0551, rel=0.06)
        assert length.mean() == pytest.approx(3.57, rel=0.03)
        assert np.median(length) == 2
        assert 60 < length.max() < 200
    else:
        assert share == pytest.approx(0.0083, rel=0.08)
        assert length.mean() == pytest.approx(1.94, rel=0.1)
        assert (length == 1).mean() == pytest.approx(0.71, abs=0.03)
        assert carts == pytest.approx(0.025, rel=0.12)
        assert 1000 < length.max() < 20_000
    shop = SHOPS[format]
    assert events.time.min() >= shop.begin_ms
    assert events.time.max() < shop.end_ms
    assert (events.time.max() - events.time.min()) > 0.99 * (shop.end_ms - shop.begin_ms)
