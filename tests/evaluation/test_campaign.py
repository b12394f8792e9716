"""Lift, gain and campaigns, counted by hand and by trying every threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rabbithole.evaluation.campaign import (
    best_threshold,
    campaign,
    expected_buyers,
    gain_curve,
    lift_table,
    outcome,
)
from rabbithole.evaluation.scores import Scores
from rabbithole.specs.evaluation import EvaluateSpec

COSTS = EvaluateSpec(contact_cost=1.0, sale_worth=7.0)


def ended(labels: Sequence[int], scores: Sequence[float]) -> Scores:
    """Return scores of ended sessions."""
    ids = np.array([str(row) for row in range(len(labels))])
    steps = np.zeros(len(labels), np.int32)
    return Scores(ids, steps, np.asarray(labels, np.int8), np.asarray(scores, float))


def draw(seed: int, sessions: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return true probabilities, rounded so that many are equal, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    truth = np.round(rng.beta(0.6, 4.0, sessions) * 20) / 20
    return truth, (rng.random(sessions) < truth).astype(np.int8)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_threshold_is_the_best_of_all(seed: int) -> None:
    scores, labels = draw(seed, 61)
    values = {t: (labels[scores >= t] * 7.0 - 1.0).sum() for t in np.unique(scores)}
    best = max(values.values())
    assert best_threshold(labels, scores, COSTS) == max(t for t, value in values.items() if value == best)


def test_equal_scores_are_contacted_together_or_not_at_all() -> None:
    # One buyer among three equal scores: worth it at 7 per sale, not at 3.
    labels, equal = np.array([0, 1, 0, 0]), np.array([0.2, 0.2, 0.2, 0.1])
    assert best_threshold(labels, equal, COSTS) == 0.2
    assert best_threshold(labels, equal, EvaluateSpec(contact_cost=1.0, sale_worth=3.0)) is None


def test_outcomes_counted_by_hand() -> None:
    valid = ended([1, 0, 0, 0], [0.5, 0.4, 0.2, 0.1])
    test = ended([1, 0, 1, 0, 0], [0.5, 0.3, 0.1, 0.5, 0.1])
    result = campaign(test, valid, COSTS)
    # All 5 cost 5 and earn 14. Those above 1/7 cost 3 and earn 7, those from 0.5 on cost 2 and earn 7.
    everybody, expected, chosen = result.everybody, result.expected, result.chosen
    assert (everybody.contacted, everybody.buyers, everybody.value) == (5, 2, 1800.0)
    assert (expected.contacted, expected.buyers, expected.value) == (3, 1, 800.0)
    assert chosen is not None
    assert (chosen.threshold, chosen.contacted, chosen.value) == (0.5, 2, 1000.0)
    assert expected.threshold == pytest.approx(1 / 7)
    nobody = campaign(test, ended([0, 0], [0.5, 0.4]), COSTS).chosen
    assert nobody is not None
    assert (nobody.threshold, nobody.contacted, nobody.value) == (None, 0, 0.0)
    assert campaign(test, ended([], []), COSTS).chosen is None


def test_cost_over_worth_is_the_best_threshold_of_true_probabilities_and_intervals_cover() -> None:
    truth, labels = draw(0, 400_000)
    best = outcome(labels, truth > 1 / 7, COSTS).value
    for threshold in np.arange(0.0, 1.0, 0.05):
        assert outcome(labels, truth > threshold, COSTS).value <= best
    rng, covered = np.random.default_rng(1), 0
    for _ in range(200):
        rows = rng.integers(0, len(labels), 2000)
        result = outcome(labels[rows], truth[rows] > 1 / 7, COSTS)
        covered += result.low <= best <= result.high
    assert covered >= 180


def test_ties_count_as_the_expectation_over_their_orders() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    labels = np.array([1, 1, 0, 0, 1, 0])
    # The first is a buyer. Each of the next four is one with probability one half.
    expected = expected_buyers(labels, scores, np.array([0, 1, 2, 3, 5, 6, 0.5]))
    assert expected == pytest.approx([0, 1, 1.5, 2, 3, 3, 0.5])


def test_lift_counted_by_hand() -> None:
    # 200 sessions, 10 buyers: two in the top two, four in the top ten, five in the top twenty.
    labels = np.zeros(200, int)
    labels[[0, 1, 5, 9, 15, 60, 70, 80, 90, 199]] = 1
    table = lift_table(labels, np.linspace(1, 0, 200))
    assert [row.addressed for row in table] == [2, 10, 20]
    assert [row.buyers for row in table] == [2, 4, 5]
    assert [row.lift for row in table] == pytest.approx([20.0, 8.0, 5.0])
    assert all(row.low < row.lift < row.high for row in table)


def test_the_interval_covers_the_lift_of_the_population() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=400_000)
    labels: NDArray[Any] = rng.random(400_000) < 0.02 * np.exp(x)
    truth, covered = lift_table(labels, x)[1].lift, 0
    for _ in range(200):
        rows = rng.integers(0, len(x), 4000)
        row = lift_table(labels[rows], x[rows])[1]
        covered += row.low <= truth <= row.high
    assert covered >= 180


def test_the_gain_of_a_constant_is_the_diagonal_and_there_is_none_without_buyers() -> None:
    gain = gain_curve(np.repeat([1, 0], [5, 95]), np.full(100, 0.05))
    assert gain.reached == pytest.approx(gain.addressed)
    assert gain.reached[-1] == 1.0
    assert all(
        low <= value <= high for low, value, high in zip(gain.low, gain.reached, gain.high, strict=True)
    )
    assert gain_curve(np.zeros(5), np.zeros(5)).reached == []
    assert lift_table(np.zeros(5), np.zeros(5)) == []
