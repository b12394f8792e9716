import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from rabbithole.evaluation.calibration import (
    brier,
    expected_error,
    log_loss,
    reliability,
    slope_and_intercept,
)
from rabbithole.evaluation.delong import wilson


@pytest.fixture(scope="module")
def calibrated():
    """Labels drawn from the very scores, 1.5 % buyers."""
    draw = np.random.default_rng(8)
    scores = expit(draw.normal(-5.0, 1.3, size=60_000))
    return (draw.random(60_000) < scores).astype(np.int8), scores


def test_losses_equal_those_of_scikit_learn(calibrated):
    labels, scores = calibrated
    assert log_loss(labels, scores) == pytest.approx(sklearn_log_loss(labels, scores), rel=1e-10)
    assert brier(labels, scores) == pytest.approx(brier_score_loss(labels, scores), rel=1e-10)
    assert np.isfinite(log_loss(np.array([1, 0]), np.array([0.0, 1.0])))


def test_calibrated_scores_have_slope_one_and_little_error(calibrated):
    found = slope_and_intercept(*calibrated)
    assert found["slope"]["low"] < 1.0 < found["slope"]["high"]
    assert found["intercept"]["low"] < 0.0 < found["intercept"]["high"]
    assert found["slope"]["high"] - found["slope"]["low"] < 0.2
    assert expected_error(*calibrated) < 0.002


@pytest.mark.parametrize(("stretch", "shift"), [(2.0, 0.0), (0.5, 1.0)])
def test_distorted_scores_show_by_how_much(calibrated, stretch, shift):
    labels, scores = calibrated
    found = slope_and_intercept(labels, expit(stretch * logit(scores) + shift))
    assert found["slope"]["value"] == pytest.approx(1 / stretch, rel=0.1)
    assert found["intercept"]["value"] == pytest.approx(-shift / stretch, abs=0.4)


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "missing"),
        ([0, 1, 0], [0.1, 0.1, 0.1], "alike"),
        ([0, 0, 1], [0.1, 0.2, 0.9], "without a fault"),
    ],
)
def test_where_no_slope_is_finite_the_reason_is_given(labels, scores, reason):
    found = slope_and_intercept(np.array(labels), np.array(scores))
    assert found["slope"] is None
    assert reason in found["reason"]


def test_expected_error_is_the_mean_gap_of_its_bins():
    labels = np.array([0, 1, 1, 1])
    scores = np.array([0.2, 0.2, 0.5, 0.7])
    # Two bins of two: |0.2 - 0.5| and |0.6 - 1.0|.
    assert expected_error(labels, scores, bins=2) == pytest.approx(0.35)
    # Equal scores are never parted, whatever the number of bins.
    assert expected_error(labels, np.full(4, 0.75), bins=4) == pytest.approx(0.0)


def test_reliability_bins_share_the_expected_buyers(calibrated):
    labels, scores = calibrated
    table = reliability(labels, scores)
    assert len(table) == 10
    assert sum(row["sessions"] for row in table) == len(labels)
    assert sum(row["buyers"] for row in table) == labels.sum()
    expected = [row["mean_score"] * row["sessions"] for row in table]
    assert max(expected) < 1.2 * min(expected)
    assert sum(row["low"] <= row["mean_score"] <= row["high"] for row in table) >= 8
    assert [row["mean_score"] for row in table] == sorted(row["mean_score"] for row in table)


def test_reliability_of_a_constant_is_one_bin_and_of_few_buyers_two():
    labels = np.repeat([1, 0], [4, 96])
    assert len(reliability(labels, np.full(100, 0.04))) == 1
    assert len(reliability(labels, np.linspace(0.01, 0.07, 100))) == 2


def test_wilson_is_the_textbook_interval():
    assert wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)
    assert wilson(0, 10)[0] == 0.0
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0, 0)
