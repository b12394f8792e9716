"""Whether a score of 0.3 means that three in ten buy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from rabbithole.evaluation.delong import LEVEL, normal_quantile, wilson

CLIP = 1e-12  # A score of exactly 0 or 1 that is wrong once would make the log loss infinite.
EQUAL_COUNT_BINS = 15
RELIABILITY_BINS = 10
BUYERS_PER_BIN = 10


def log_loss(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Return the mean log loss in nats per session; scores are kept 1e-12 away from 0 and 1."""
    kept = np.clip(scores, CLIP, 1.0 - CLIP)
    return float(-np.where(labels.astype(bool), np.log(kept), np.log1p(-kept)).mean())


def brier(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Return the mean squared difference of score and label."""
    return float(np.square(scores - labels).mean())


def slope_and_intercept(labels: NDArray[Any], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Fit logit P(buyer) = intercept + slope * logit(score), unpenalised.

    1 and 0 are perfect; a slope below 1 says that scores are too extreme, one above 1 too timid. Each comes
    with a 95 % interval from the Fisher information. Returns slope and intercept ({value, low, high} or None)
    and a reason when there is none: one class only, all scores alike, or classes parted without a fault.
    """

    def none(reason: str) -> dict[str, Any]:
        return {"slope": None, "intercept": None, "reason": reason}

    positive = labels.astype(bool)
    if positive.all() or not positive.any():
        return none("a class is missing")
    x = logit(np.clip(scores, CLIP, 1.0 - CLIP))
    if np.ptp(x) < 1e-9:
        return none("all scores are alike")
    if x[positive].min() >= x[~positive].max() or x[positive].max() <= x[~positive].min():
        return none("the scores part buyers from non-buyers without a fault, so no slope is finite")
    centre, scale = x.mean(), x.std()
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    fit.fit(((x - centre) / scale)[:, None], positive)
    slope = float(fit.coef_[0, 0]) / scale
    intercept = float(fit.intercept_[0]) - slope * centre
    weight = expit(intercept + slope * x)
    weight *= 1.0 - weight
    information = np.array([[weight.sum(), weight @ x], [weight @ x, weight @ (x * x)]])
    errors = np.sqrt(np.diag(np.linalg.pinv(information)))
    reach = normal_quantile(LEVEL) * errors

    def around(value: float, reach: float) -> dict[str, float]:
        return {"value": float(value), "low": float(value - reach), "high": float(value + reach)}

    return {"slope": around(slope, reach[1]), "intercept": around(intercept, reach[0]), "reason": None}


def expected_error(labels: NDArray[Any], scores: NDArray[np.float64], bins: int = EQUAL_COUNT_BINS) -> float:
    """Return the expected calibration error over equal-count bins: mean |mean score - share of buyers|.

    Equal scores share a bin. A constant at the share of buyers has no error, so read it beside the slope.
    """
    order = np.argsort(scores, kind="stable")
    ends = _ends(scores[order], np.arange(1, len(scores) + 1) / len(scores), bins)
    label_sums = _sums(labels[order].astype(float), ends)
    score_sums = _sums(scores[order], ends)
    return float(np.abs(score_sums - label_sums).sum() / len(scores))


def reliability(labels: NDArray[Any], scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return the reliability table, lowest scores first: mean score, share of buyers, its Wilson interval.

    Bins hold about equally many *expected buyers* (equal sums of scores), not equally many sessions: at 0.8 %
    buyers nine of ten equal-count bins would say nothing. There are ten, or fewer so that each can expect ten
    of the buyers there are, and at least two; equal scores share a bin, and an empty bin joins the next.
    """
    bins = max(2, min(RELIABILITY_BINS, int(labels.sum()) // BUYERS_PER_BIN))
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(np.maximum(scores[order], CLIP))
    ends = _ends(scores[order], mass / mass[-1], bins)
    buyers = _sums(labels[order].astype(float), ends)
    sums = _sums(scores[order], ends)
    starts = np.concatenate([[0], ends[:-1]])
    table = []
    for start, end, bought, total in zip(starts, ends, buyers, sums, strict=True):
        sessions = int(end - start)
        low, high = wilson(bought, sessions)
        table.append(
            {
                "sessions": sessions,
                "buyers": int(bought),
                "mean_score": float(total / sessions),
                "share": float(bought / sessions),
                "low": low,
                "high": high,
            }
        )
    return table


def _ends(ordered: NDArray[np.float64], mass: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the exclusive ends of up to `bins` bins of equal `mass`, none of them within a tie.

    `ordered` are the rising scores, `mass` how much lies up to each of them, ending at 1.
    """
    wanted = np.searchsorted(mass, np.arange(1, bins) / bins, side="left")
    # A cut falls behind the last of the equal scores that it would part.
    ends = np.searchsorted(ordered, ordered[np.minimum(wanted, len(ordered) - 1)], side="right")
    return np.unique(np.append(ends, len(ordered)))


def _sums(values: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of `values` in each bin."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values)[ends - 1]]))
