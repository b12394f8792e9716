"""Log odds that balancing, or a network's haste, has bent come out straight, and in the same order."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from rabbithole.training.calibration import calibrated, fit_calibration
from rabbithole.windows.arrays import Windows


def valid(lengths: np.ndarray, buyer: np.ndarray) -> Windows:
    """Return sessions of which nothing matters but how long they are and who buys."""
    offsets = np.append(0, np.cumsum(lengths))
    codes, numbers = np.zeros((offsets[-1], 7), np.int32), np.zeros((offsets[-1], 2), np.float32)
    return Windows(
        pa.array(np.arange(len(buyer)).astype(str)), buyer, lengths.astype(np.int32), offsets, codes, numbers
    )


@pytest.mark.parametrize(("stretch", "moved"), [(1.4, 0.0), (0.7, 1.5), (1.0, -2.0)])
def test_bent_log_odds_come_out_straight(stretch, moved):
    rng = np.random.default_rng(0)
    true = rng.normal(-3, 1.5, 200_000)
    buyer = (rng.random(len(true)) < expit(true)).astype(np.int8)
    lengths = rng.integers(1, 5, len(true))
    shift = -0.5

    def logits(steps: list[int]) -> np.ndarray:
        ended = stretch * true + moved - shift
        # Running sessions are bent the other way.
        running = [np.where(lengths >= step, true / stretch - moved - shift, np.nan) for step in steps[1:]]
        return np.stack([ended, *running])

    found = fit_calibration(logits, valid(lengths, buyer), shift=shift, length=4)
    straight = calibrated(logits([0, 1, 4]), [0, 1, 4], found)
    for row in straight:
        there = ~np.isnan(row)
        assert np.abs(row - true)[there].mean() < 0.1
        assert np.array_equal(np.argsort(row[there]), np.argsort(true[there]))


def test_few_buyers_bend_little():
    """Eight buyers whom scores of no meaning happen to put last: neither slope nor order may follow them."""
    scores = np.linspace(0, 1, 400)
    buyer = (np.arange(400) < 8).astype(np.int8)
    true_odds = logit(0.02) + scores
    found = fit_calibration(
        lambda steps: np.stack([true_odds] * len(steps)), valid(np.full(400, 8), buyer), shift=0.0, length=8
    )
    assert 0.5 < found["ended"]["slope"] < 1
    assert expit(calibrated(true_odds[None], [0], found)).mean() == pytest.approx(0.02, abs=0.005)


def test_what_was_learned_by_heart_is_believed_little():
    """Some 330 buyers, whose log odds are told twelve times too far apart."""
    rng = np.random.default_rng(0)
    true = rng.normal(-5, 0.5, 48_000)
    buyer = (rng.random(len(true)) < expit(true)).astype(np.int8)
    told = 12 * (true + 5) - 5
    found = fit_calibration(
        lambda steps: np.stack([told] * len(steps)),
        valid(np.ones(len(true), int), buyer),
        shift=0.0,
        length=1,
    )
    assert found["ended"]["slope"] == pytest.approx(1 / 12, rel=0.2)
