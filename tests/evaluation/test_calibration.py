"""Calibration metrics against known distortions and scikit-learn, and Wilson's interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss

from rabbithole.evaluation.calibration import (
    brier,
    calibration_regression,
    expected_error,
    log_loss,
    reliability,
)
from rabbithole.evaluation.delong import wilson_interval

Sample = tuple[NDArray[np.int8], NDArray[np.float64]]


@pytest.fixture(scope="module")
def calibrated() -> Sample:
    """Return labels that are drawn from the scores, 1.5 % buyers."""
    rng = np.random.default_rng(8)
    scores = expit(rng.normal(-5.0, 1.3, size=60_000))
    return (rng.random(60_000) < scores).astype(np.int8), scores


def test_losses_equal_their_definitions(calibrated: Sample) -> None:
    labels, scores = calibrated
    assert log_loss(labels, scores) == pytest.approx(sklearn_log_loss(labels, scores), rel=1e-10)
    assert brier(labels, scores) == pytest.approx(np.mean((labels - scores) ** 2), rel=1e-10)
    assert np.isfinite(log_loss(np.array([1, 0]), np.array([0.0, 1.0])))
    # Where nobody buys, and scores are tiny, the loss keeps its digits.
    assert log_loss(np.zeros(3), np.full(3, 2e-12)) == pytest.approx(2e-12, rel=1e-9)
    assert brier(np.zeros(3), np.full(3, 0.5)) == 0.25


def test_calibrated_scores_have_slope_one_and_a_small_error(calibrated: Sample) -> None:
    fit = calibration_regression(*calibrated)
    assert fit.slope is not None and fit.intercept is not None
    assert fit.slope.low < 1.0 < fit.slope.high
    assert fit.intercept.low < 0.0 < fit.intercept.high
    assert fit.slope.high - fit.slope.low < 0.2
    assert expected_error(*calibrated) < 0.002


@pytest.mark.parametrize(("stretch", "shift"), [(2.0, 0.0), (0.5, 1.0)])
def test_the_fit_measures_a_distortion(calibrated: Sample, stretch: float, shift: float) -> None:
    labels, scores = calibrated
    fit = calibration_regression(labels, expit(stretch * logit(scores) + shift))
    assert fit.slope is not None and fit.intercept is not None
    assert fit.slope.value == pytest.approx(1 / stretch, rel=0.1)
    assert fit.intercept.value == pytest.approx(-shift / stretch, abs=0.4)


def test_the_fit_and_its_intervals_equal_those_of_an_independent_solver(calibrated: Sample) -> None:
    labels, scores = calibrated
    x = logit(scores)
    fit = calibration_regression(labels, scores)
    other = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(x[:, None], labels)
    slope, intercept = float(other.coef_[0, 0]), float(other.intercept_[0])
    weights = expit(intercept + slope * x) * (1 - expit(intercept + slope * x))
    information = np.array([[weights.sum(), weights @ x], [weights @ x, weights @ (x * x)]])
    errors = 1.959963985 * np.sqrt(np.diag(np.linalg.inv(information)))
    for interval, value, error in ((fit.intercept, intercept, errors[0]), (fit.slope, slope, errors[1])):
        assert interval is not None
        assert interval.value == pytest.approx(value, rel=1e-5)
        assert interval.high - interval.value == pytest.approx(error, rel=1e-5)
        assert interval.value - interval.low == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "missing"),
        ([0, 1, 0], [0.1, 0.1, 0.1], "equal"),
        ([0, 0, 1], [0.1, 0.2, 0.9], "perfectly"),
    ],
)
def test_a_slope_that_is_not_finite_gives_a_reason(
    labels: list[int], scores: list[float], reason: str
) -> None:
    fit = calibration_regression(np.array(labels), np.array(scores))
    assert fit.slope is fit.intercept is None
    assert fit.reason is not None and reason in fit.reason


def test_expected_error_is_the_mean_gap_of_its_bins() -> None:
    labels = np.array([0, 1, 1, 1])
    scores = np.array([0.2, 0.2, 0.5, 0.7])
    # Two bins of two: |0.2 - 0.5| and |0.6 - 1.0|.
    assert expected_error(labels, scores, bins=2) == pytest.approx(0.35)
    # Equal scores share a bin, whatever the number of bins.
    assert expected_error(labels, np.full(4, 0.75), bins=4) == pytest.approx(0.0)


def test_reliability_bins_have_equal_expected_buyers(calibrated: Sample) -> None:
    labels, scores = calibrated
    table = reliability(labels, scores)
    assert len(table) == 10
    assert sum(row.sessions for row in table) == len(labels)
    assert sum(row.buyers for row in table) == labels.sum()
    expected = [row.mean_score * row.sessions for row in table]
    assert max(expected) < 1.2 * min(expected)
    assert sum(row.low <= row.mean_score <= row.high for row in table) >= 8
    assert [row.mean_score for row in table] == sorted(row.mean_score for row in table)


def test_a_constant_has_one_reliability_bin_and_few_buyers_have_two() -> None:
    labels = np.repeat([1, 0], [4, 96])
    assert len(reliability(labels, np.full(100, 0.04))) == 1
    assert len(reliability(labels, np.linspace(0.01, 0.07, 100))) == 2


def test_wilson_is_the_textbook_interval() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)
    assert wilson_interval(0, 10)[0] == 0.0
    with pytest.raises(ValueError, match="at least one trial"):
        wilson_interval(0, 0)


@given(st.integers(1, 10**7), st.floats(0.0, 1.0), st.floats(0.5, 0.999))
def test_wilson_stays_within_0_and_1_and_around_the_proportion(
    trials: int, share: float, level: float
) -> None:
    successes = share * trials
    low, high = wilson_interval(successes, trials, level)
    assert 0.0 <= low <= high <= 1.0
    assert low - 1e-9 <= successes / trials <= high + 1e-9
    arrays = wilson_interval(np.array([successes, 0.0]), trials, level)
    assert (arrays[0][0], arrays[1][0]) == (low, high)


@given(st.integers(1, 10**6), st.floats(0.0, 1.0))
def test_wilson_of_failures_mirrors_wilson_of_successes(trials: int, share: float) -> None:
    low, high = wilson_interval(share * trials, trials)
    mirrored_low, mirrored_high = wilson_interval((1.0 - share) * trials, trials)
    assert (1.0 - mirrored_high, 1.0 - mirrored_low) == pytest.approx((low, high), abs=1e-9)
