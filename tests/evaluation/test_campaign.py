import numpy as np
import pytest

from rabbithole.evaluation.campaign import best_threshold, campaign, outcome
from rabbithole.evaluation.scores import Scores

AMOUNTS = {"contact_cost": 1.0, "sale_worth": 7.0}


def scores(labels, values):
    labels = np.asarray(labels, np.int8)
    ids = np.array([str(i) for i in range(len(labels))])
    return Scores(ids, np.zeros(len(labels), np.int32), labels, np.asarray(values, float))


def draw(seed, sessions):
    """Return true probabilities, in steps of a twentieth so that many are equal, and who buys."""
    rng = np.random.default_rng(seed)
    chances = np.round(rng.beta(0.6, 4.0, sessions) * 20) / 20
    return chances, (rng.random(sessions) < chances).astype(np.int8)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_threshold_is_that_of_trying_all(seed):
    chances, labels = draw(seed, 61)
    tried = {t: (labels[chances >= t] * 7.0 - 1.0).sum() for t in np.unique(chances)}
    best = max(tried.values())
    found = best_threshold(labels, chances, **AMOUNTS)
    assert found == max(t for t, value in tried.items() if value == best)


def test_equal_scores_are_contacted_together_or_not_at_all():
    # One buyer among three equal scores: worth it at 7 a sale, not at 3.
    labels, equal = np.array([0, 1, 0, 0]), np.array([0.2, 0.2, 0.2, 0.1])
    assert best_threshold(labels, equal, **AMOUNTS) == 0.2
    assert best_threshold(labels, equal, contact_cost=1.0, sale_worth=3.0) is None


def test_outcomes_counted_by_hand():
    valid = scores([1, 0, 0, 0], [0.5, 0.4, 0.2, 0.1])
    test = scores([1, 0, 1, 0, 0], [0.5, 0.3, 0.1, 0.5, 0.1])
    found = campaign(test, valid, **AMOUNTS)
    # All 5 cost 5 and bring 14; those above 1/7 cost 3 and bring 7, those from 0.5 on cost 2 and bring 7.
    assert [found["everybody"][key] for key in ("contacted", "buyers", "value")] == [5, 2, 1800.0]
    assert [found["expected"][key] for key in ("contacted", "buyers", "value")] == [3, 1, 800.0]
    assert [found["chosen"][key] for key in ("threshold", "contacted", "value")] == [0.5, 2, 1000.0]
    assert found["expected"]["threshold"] == pytest.approx(1 / 7)
    nobody = campaign(test, scores([0, 0], [0.5, 0.4]), **AMOUNTS)["chosen"]
    assert (nobody["threshold"], nobody["contacted"], nobody["value"]) == (None, 0, 0.0)
    assert campaign(test, scores([], []), **AMOUNTS)["chosen"] is None


def test_true_probabilities_are_best_contacted_above_cost_over_worth_and_intervals_cover():
    chances, labels = draw(0, 400_000)
    truth = outcome(labels, chances > 1 / 7, **AMOUNTS)["value"]
    for threshold in np.arange(0.0, 1.0, 0.05):
        assert outcome(labels, chances > threshold, **AMOUNTS)["value"] <= truth
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        some = rng.integers(0, len(labels), 2000)
        found = outcome(labels[some], chances[some] > 1 / 7, **AMOUNTS)
        held += found["low"] <= truth <= found["high"]
    assert held >= 180
