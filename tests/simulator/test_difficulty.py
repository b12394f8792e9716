"""The fixed parameters give the published marginals, and purchases that are hard but possible to predict."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from rabbithole.simulator.catalogue import make_catalogue
from rabbithole.simulator.posterior import (
    ObservedEvents,
    ObservedSessions,
    PurchasePosteriors,
    purchase_posteriors,
)
from rabbithole.simulator.shop import Shop
from rabbithole.simulator.shoppers import Events, draw_events, make_samplers
from rabbithole.simulator.write import load_shop

SESSIONS = {"yoochoose": 100_000, "retailrocket": 400_000}
STEPS = [1, 2, 3, 5]
Drawn = tuple[Shop, Events, PurchasePosteriors]


@pytest.fixture(scope="module", params=list(SESSIONS))
def drawn(request: pytest.FixtureRequest) -> Drawn:
    """Return a shop, sessions of it, and the oracle's scores."""
    shop, count, rng = load_shop(request.param).SHOP, SESSIONS[request.param], np.random.default_rng(7)
    catalogue = make_catalogue(shop, count, rng)
    events = draw_events(shop, make_samplers(shop, catalogue), count, rng)
    offsets = events.paths.offsets
    previous = np.roll(events.item, 1)
    previous[offsets[:-1]] = -1
    context = np.where(events.time >= shop.context_from_ms, events.context, -1)
    observed = ObservedEvents(events.event_type, context, events.item, previous, events.dwell)
    sessions = ObservedSessions(observed, offsets, events.time)
    return shop, events, purchase_posteriors(shop, catalogue, sessions, 100, STEPS)


def lengths(events: Events) -> NDArray[np.int64]:
    """Return each session's number of events."""
    return np.diff(events.paths.offsets)


def assert_calibrated(score: NDArray[np.float64], buyer: NDArray[np.bool_]) -> None:
    """Assert that each tenth of the scores has as many buyers as they predict, within binomial error."""
    order = np.argsort(score, kind="stable")
    for part in np.array_split(order, 10):
        expected, variance = score[part].sum(), (score[part] * (1 - score[part])).sum()
        # There are over a hundred such tenths per run. A deviation of 4.5 sigma is not an accident.
        assert abs(buyer[part].sum() - expected) <= 4.5 * np.sqrt(variance) + 1


def test_oracle_probabilities_are_calibrated(drawn: Drawn) -> None:
    _, events, posteriors = drawn
    assert_calibrated(posteriors.ended, events.paths.buyer)
    for index, score in posteriors.running.values():
        assert_calibrated(score, events.paths.buyer[index])


def test_scores_improve_with_each_step(drawn: Drawn) -> None:
    _, events, posteriors = drawn
    buyer = events.paths.buyer
    for previous, step in pairwise(STEPS):
        index, score = posteriors.running[step]
        previous_index, previous_score = posteriors.running[previous]
        earlier = previous_score[np.searchsorted(previous_index, index)]
        assert roc_auc_score(buyer[index], score) > roc_auc_score(buyer[index], earlier)
    assert roc_auc_score(buyer, posteriors.ended) > roc_auc_score(buyer, posteriors.running[1][1]) + 0.1


def test_purchases_are_predictable_but_not_from_the_length(drawn: Drawn) -> None:
    shop, events, posteriors = drawn
    buyer, length = events.paths.buyer, np.minimum(lengths(events), 50)
    auc = roc_auc_score(buyer, posteriors.ended)
    # YOOCHOOSE shows no context in its first twelve weeks. A split by time tests on the later ones.
    late = events.time[events.paths.offsets[:-1]] >= max(shop.context_from_ms, shop.begin_ms)
    assert 0.835 < roc_auc_score(buyer[late], posteriors.ended[late]) < 0.875
    assert auc > 0.82
    # The best score from the length, which even knows the labels: each length's own share of buyers.
    share = np.bincount(length, buyer) / np.maximum(1, np.bincount(length))
    assert roc_auc_score(buyer, share[length]) < auc - 0.09


def test_marginals_are_near_the_published_ones(drawn: Drawn) -> None:
    shop, events, _ = drawn
    length, share = lengths(events), events.paths.buyer.mean()
    carts = (events.event_type == 1).mean()
    if shop.format == "yoochoose":
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
    assert events.time.min() >= shop.begin_ms
    assert events.time.max() < shop.end_ms
    assert (events.time.max() - events.time.min()) > 0.99 * (shop.end_ms - shop.begin_ms)
