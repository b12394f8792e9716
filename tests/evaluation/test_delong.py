"""DeLong's AUCs, variances and tests against their definitions and their statistical claims."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score

from rabbithole.evaluation.delong import (
    Placements,
    auc_interval,
    auc_with_interval,
    covariance,
    paired_test,
    placements,
)

Floats = NDArray[np.float64]


def sample(
    seed: int, *, buyers: int = 31, others: int = 97, shift: float = 1.0, ties: bool = True
) -> tuple[NDArray[Any], Floats]:
    """Return labels and normal scores, higher by `shift` for buyers."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [buyers, others]))
    scores = rng.normal(size=buyers + others) + shift * labels
    return labels, np.round(scores, 1) if ties else scores


def kernel(labels: NDArray[Any], scores: Floats) -> Floats:
    """Return 1 for each pair of buyer and non-buyer in order, 1/2 for a tie: [buyers, non-buyers], O(n^2)."""
    x, y = scores[labels == 1][:, None], scores[labels == 0][None, :]
    return (x > y) + 0.5 * (x == y)


def by_definition(labels: NDArray[Any], first: Floats, second: Floats) -> tuple[float, float]:
    """Return the AUC of the first scores and DeLong's covariance of both AUCs, from all pairs."""
    a, b = kernel(labels, first), kernel(labels, second)
    buyers = np.cov(a.mean(1), b.mean(1))[0, 1] / a.shape[0]
    others = np.cov(a.mean(0), b.mean(0))[0, 1] / a.shape[1]
    return float(a.mean()), float(buyers + others)


def by_jackknife(labels: NDArray[Any], scores: Floats) -> float:
    """Return the variance of the AUC from leaving out one session at a time, class by class."""
    total = 0.0
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        aucs = [kernel(np.delete(labels, row), np.delete(scores, row)).mean() for row in rows]
        total += (len(rows) - 1) * np.var(aucs)
    return float(total)


@st.composite
def labelled_scores(draw: st.DrawFn, *, columns: int = 1) -> tuple[NDArray[Any], list[Floats]]:
    """Return labels with at least two sessions of each class, and columns of scores with many ties."""
    labels = [1, 1, 0, 0, *draw(st.lists(st.integers(0, 1), max_size=20))]
    count = len(labels)
    values = st.lists(st.integers(-4, 4), min_size=count, max_size=count)
    return np.array(draw(st.permutations(labels))), [np.array(draw(values), float) for _ in range(columns)]


@given(labelled_scores(columns=2))
def test_auc_and_covariance_equal_their_definition_with_ties(
    labelled: tuple[NDArray[Any], list[Floats]],
) -> None:
    labels, (first, second) = labelled
    auc, expected = by_definition(labels, first, second)
    computed = placements(labels, first)
    assert computed.auc == pytest.approx(auc, abs=1e-12)
    assert computed.auc == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert covariance(computed, placements(labels, second)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_covariance_equal_their_definition_on_larger_samples(seed: int) -> None:
    labels, first = sample(seed)
    second = np.round(first + np.random.default_rng(seed + 100).normal(size=len(labels)), 1)
    auc, expected = by_definition(labels, first, second)
    computed = placements(labels, first)
    assert computed.auc == pytest.approx(auc, abs=1e-12)
    assert covariance(computed, placements(labels, second)) == pytest.approx(expected, rel=1e-10)


@given(labelled_scores())
def test_the_variance_is_that_of_the_jackknife(labelled: tuple[NDArray[Any], list[Floats]]) -> None:
    labels, (scores,) = labelled
    auc = placements(labels, scores)
    assert covariance(auc, auc) == pytest.approx(by_jackknife(labels, scores), abs=1e-12)


@given(labelled_scores())
def test_a_rising_transform_of_the_scores_changes_nothing(
    labelled: tuple[NDArray[Any], list[Floats]],
) -> None:
    labels, (scores,) = labelled
    auc, transformed = placements(labels, scores), placements(labels, np.exp(3.0 * scores) - 7.0)
    assert transformed.auc == auc.auc
    np.testing.assert_array_equal(transformed.buyers, auc.buyers)
    np.testing.assert_array_equal(transformed.non_buyers, auc.non_buyers)
    test = paired_test(auc, transformed)
    assert (test.difference, test.error, test.p) == (0.0, 0.0, 1.0)


@given(labelled_scores())
def test_reversed_scores_have_the_complement_and_every_interval_stays_within_0_and_1(
    labelled: tuple[NDArray[Any], list[Floats]],
) -> None:
    labels, (scores,) = labelled
    auc, reversed_auc = auc_with_interval(labels, scores), auc_with_interval(labels, -scores)
    assert reversed_auc.value == pytest.approx(1.0 - auc.value, abs=1e-12)
    assert reversed_auc.error == pytest.approx(auc.error, abs=1e-12)
    assert 0.0 <= auc.low <= auc.value + 1e-12 <= auc.high + 2e-12
    assert auc.high <= 1.0
    assert auc.low < auc.high


def test_the_error_is_that_of_resampling() -> None:
    labels, scores = sample(3, buyers=80, others=400, ties=False)
    rng = np.random.default_rng(0)
    x, y = scores[labels == 1], scores[labels == 0]
    truth = np.repeat([1, 0], [len(x), len(y)])
    aucs = [
        roc_auc_score(truth, np.concatenate([rng.choice(x, len(x)), rng.choice(y, len(y))]))
        for _ in range(600)
    ]
    assert auc_with_interval(labels, scores).error == pytest.approx(np.std(aucs), rel=0.12)


def test_the_interval_covers_the_truth_19_times_of_20() -> None:
    # Normal scores one deviation apart have an AUC of Phi(1 / sqrt(2)).
    truth, covered = 0.7602499, 0
    for seed in range(600):
        low, high = auc_interval(placements(*sample(seed, buyers=40, others=200, ties=False)))
        covered += low <= truth <= high
    assert 0.925 <= covered / 600 <= 0.975


@pytest.mark.parametrize(("shift", "auc"), [(100.0, 1.0), (-100.0, 0.0)])
def test_the_interval_of_a_perfect_ranking_claims_no_certainty(shift: float, auc: float) -> None:
    result = auc_with_interval(*sample(1, shift=shift))
    assert result.value == auc
    assert 0.0 <= result.low < result.high <= 1.0
    assert 0.05 < result.high - result.low < 0.2


def test_p_is_uniform_when_both_scores_are_equally_good() -> None:
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        labels = np.repeat([1, 0], [60, 240])
        shared = rng.normal(size=300) + labels
        first, second = (shared + rng.normal(size=300) for _ in range(2))
        p.append(paired_test(placements(labels, first), placements(labels, second)).p)
    assert kstest(p, "uniform").pvalue > 0.01


def test_scores_differ_from_noise() -> None:
    labels, scores = sample(5, ties=False)
    noise = np.random.default_rng(1).normal(size=len(labels))
    test = paired_test(placements(labels, scores), placements(labels, noise))
    assert test.p < 0.01
    assert 0 < test.low < test.difference < test.high


def test_too_few_sessions_of_a_class_are_refused() -> None:
    with pytest.raises(ValueError, match="both buyers and non-buyers"):
        placements(np.zeros(3), np.arange(3.0))
    with pytest.raises(ValueError, match="at least two buyers"):
        auc_with_interval(np.array([1, 0, 0]), np.arange(3.0))


def test_placements_are_the_rows_and_columns_of_the_kernel() -> None:
    labels, scores = sample(7)
    pairs = kernel(labels, scores)
    expected = Placements(float(pairs.mean()), pairs.mean(1), pairs.mean(0))
    computed = placements(labels, scores)
    np.testing.assert_allclose(computed.buyers, expected.buyers, atol=1e-12)
    np.testing.assert_allclose(computed.non_buyers, expected.non_buyers, atol=1e-12)
