"""Calibration: of the sessions with a score of 0.3, do three in ten buy?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from rabbithole.artifacts.evaluation import CalibrationFit, Interval, ReliabilityBin
from rabbithole.evaluation.delong import design_effect, normal_quantile, wilson_interval
from rabbithole.evaluation.scores import CLIP, log_odds

EQUAL_COUNT_BINS = 15
"""Bins of the expected calibration error."""

RELIABILITY_BINS = 10
"""Bins of the reliability table, at most."""

BUYERS_PER_BIN = 10
"""Buyers that each bin of the reliability table can expect."""

EQUAL_LOGITS = 1e-9
"""Range of logits below which no slope can be fitted."""


def log_loss(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Return the mean log loss in nats per session; scores keep a distance of CLIP from 0 and 1."""
    # Not scikit-learn's: it computes log(1 - score), where a score near 1e-12 loses its digits.
    clipped = np.clip(scores, CLIP, 1.0 - CLIP)
    return float(-np.where(labels.astype(bool), np.log(clipped), np.log1p(-clipped)).mean())


def brier(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Return the mean squared difference between score and label."""
    return float(brier_score_loss(labels, scores, labels=[0, 1]))


def calibration_regression(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> CalibrationFit:
    """Fit logit P(buyer) = intercept + slope * logit(score), without a penalty.

    Slope 1 and intercept 0 are perfect. A slope below 1 means that scores are too extreme, one above 1 that
    they are too close to the mean. Both come with 95 % intervals: from the Fisher information, or with
    visitors ([n], a number per visitor) from sums by visitor (Liang & Zeger 1986, Longitudinal data analysis
    using generalized linear models). There is a reason in their place when a class is missing, all scores are
    equal, or they separate the classes.
    """

    def none(reason: str) -> CalibrationFit:
        return CalibrationFit(slope=None, intercept=None, reason=reason)

    positive = labels.astype(bool)
    if positive.all() or not positive.any():
        return none("a class is missing")
    x = log_odds(scores)
    if np.ptp(x) < EQUAL_LOGITS:
        return none("all scores are equal")
    if x[positive].min() >= x[~positive].max() or x[positive].max() <= x[~positive].min():
        return none("the scores separate buyers from non-buyers perfectly, so the slope is infinite")
    centre, scale = x.mean(), x.std()
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    fit.fit(((x - centre) / scale)[:, None], positive)
    slope = float(fit.coef_[0, 0]) / scale
    intercept = float(fit.intercept_[0]) - slope * centre
    weight = expit(intercept + slope * x)
    weight *= 1.0 - weight
    information = np.array([[weight.sum(), weight @ x], [weight @ x, weight @ (x * x)]])
    covariance = np.linalg.pinv(information)
    if visitors is not None:
        number = np.unique(visitors, return_inverse=True)[1]
        residual = positive - expit(intercept + slope * x)
        gradients = np.stack([np.bincount(number, residual), np.bincount(number, residual * x)])
        count = gradients.shape[1]
        covariance = covariance @ (gradients @ gradients.T) @ covariance * count / max(count - 1, 1)
    reach = normal_quantile() * np.sqrt(np.diag(covariance))
    return CalibrationFit(
        slope=_interval(slope, reach[1]), intercept=_interval(intercept, reach[0]), reason=None
    )


def _interval(value: float, reach: float) -> Interval:
    return Interval(value=float(value), low=float(value - reach), high=float(value + reach))


def expected_error(labels: NDArray[Any], scores: NDArray[np.float64], bins: int = EQUAL_COUNT_BINS) -> float:
    """Return the expected calibration error over equal-count bins: mean |mean score - share of buyers|.

    Equal scores share a bin. A constant score at the share of buyers has no error, so read it together with
    the slope.
    """
    order = np.argsort(scores, kind="stable")
    ends = _bin_ends(scores[order], np.arange(1, len(scores) + 1) / len(scores), bins)
    label_sums = _bin_sums(labels[order].astype(float), ends)
    score_sums = _bin_sums(scores[order], ends)
    return float(np.abs(score_sums - label_sums).sum() / len(scores))


def reliability(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> list[ReliabilityBin]:
    """Return the reliability table, lowest scores first, with Wilson intervals of the shares of buyers.

    visitors: [n], a number per visitor, None where all sessions count as independent.

    Bins have about equal sums of scores (expected buyers), not equal numbers of sessions: at 0.8 % buyers,
    nine of ten equal-count bins would be almost empty of buyers. There are ten bins, or fewer so that each
    can expect ten buyers, and at least two. Equal scores share a bin, and an empty bin joins the next one.
    """
    bins = max(2, min(RELIABILITY_BINS, int(labels.sum()) // BUYERS_PER_BIN))
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(np.maximum(scores[order], CLIP))
    ends = _bin_ends(scores[order], mass / mass[-1], bins)
    sessions = np.diff(ends, prepend=0)
    buyers = _bin_sums(labels[order].astype(float), ends)
    score_sums = _bin_sums(scores[order], ends)
    effects = [
        design_effect(labels[rows].astype(float), None if visitors is None else visitors[rows])
        for rows in np.split(order, ends[:-1])
    ]
    low, high = wilson_interval(buyers / effects, sessions / effects)
    return [
        ReliabilityBin(
            sessions=int(sessions[row]),
            buyers=int(buyers[row]),
            mean_score=float(score_sums[row] / sessions[row]),
            share=float(buyers[row] / sessions[row]),
            low=float(low[row]),
            high=float(high[row]),
        )
        for row in range(len(ends))
    ]


def _bin_ends(ordered: NDArray[np.float64], mass: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the exclusive ends of up to `bins` bins of equal mass; equal scores stay in one bin.

    ordered: float64 [n], the scores in ascending order; mass: float64 [n], the cumulative mass, ending at 1.
    """
    cuts = np.searchsorted(mass, np.arange(1, bins) / bins, side="left")
    # A cut within equal scores moves behind the last of them.
    ends = np.searchsorted(ordered, ordered[np.minimum(cuts, len(ordered) - 1)], side="right")
    return np.unique(np.append(ends, len(ordered)))


def _bin_sums(values: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of `values` in each bin."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values)[ends - 1]]))
