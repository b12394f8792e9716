"""Calibration straightens distorted log odds, keeps their order, and distrusts few buyers."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from rabbithole.training.purchase import calibrate, fit_calibration
from rabbithole.windows.arrays import Windows


def valid_windows(lengths: np.ndarray, buyer: np.ndarray) -> Windows:
    """Return sessions of which only length and label matter."""
    offsets = np.append(0, np.cumsum(lengths))
    codes, numbers = np.zeros((offsets[-1], 7), np.int32), np.zeros((offsets[-1], 2), np.float32)
    names = pa.array(np.arange(len(buyer)).astype(str))
    return Windows(names, buyer, lengths.astype(np.int32), offsets, codes, numbers)


@pytest.mark.parametrize(("slope", "intercept"), [(1.4, 0.0), (0.7, 1.5), (1.0, -2.0)])
def test_distorted_log_odds_become_true_in_the_same_order(slope, intercept):
    rng = np.random.default_rng(0)
    true = rng.normal(-3, 1.5, 200_000)
    buyer = (rng.random(len(true)) < expit(true)).astype(np.int8)
    lengths = rng.integers(1, 5, len(true))
    shift = -0.5

    def logits(steps: list[int]) -> np.ndarray:
        ended = slope * true + intercept - shift
        # Running sessions are distorted the other way.
        running = [np.where(lengths >= step, true / slope - intercept - shift, np.nan) for step in steps[1:]]
        return np.stack([ended, *running])

    calibration = fit_calibration(logits, valid_windows(lengths, buyer), shift=shift, length=4)
    for row in calibrate(logits([0, 1, 4]), [0, 1, 4], calibration):
        present = ~np.isnan(row)
        assert np.abs(row - true)[present].mean() < 0.1
        assert np.array_equal(np.argsort(row[present]), np.argsort(true[present]))


def test_few_buyers_change_little():
    """Eight buyers whom meaningless scores happen to put last: neither slope nor order may follow them."""
    scores = np.linspace(0, 1, 400)
    buyer = (np.arange(400) < 8).astype(np.int8)
    log_odds = logit(0.02) + scores
    calibration = fit_calibration(
        lambda steps: np.stack([log_odds] * len(steps)),
        valid_windows(np.full(400, 8), buyer),
        shift=0.0,
        length=8,
    )
    assert 0.5 < calibration.ended.slope < 1
    assert expit(calibrate(log_odds[None], [0], calibration)).mean() == pytest.approx(0.02, abs=0.005)


def test_memorised_buyers_get_a_small_slope():
    """Some 330 buyers, and log odds that are spread twelve times too far."""
    rng = np.random.default_rng(0)
    true = rng.normal(-5, 0.5, 48_000)
    buyer = (rng.random(len(true)) < expit(true)).astype(np.int8)
    spread = 12 * (true + 5) - 5
    calibration = fit_calibration(
        lambda steps: np.stack([spread] * len(steps)),
        valid_windows(np.ones(len(true), int), buyer),
        shift=0.0,
        length=1,
    )
    assert calibration.ended.slope == pytest.approx(1 / 12, rel=0.2)
