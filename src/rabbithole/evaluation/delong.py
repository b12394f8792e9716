"""Intervals of shares."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

LEVEL = 0.95


def normal_quantile(level: float) -> float:
    """Return how many standard errors a two-sided interval at `level` reaches to each side."""
    return float(norm.ppf(0.5 + level / 2.0))


def wilson(successes: float, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's interval of a share; `successes` may be fractional, an expectation over ties.

    Unlike the plain normal interval it stays within 0 and 1 and is of use at a handful of successes.
    Raises ValueError without trials.
    """
    if trials <= 0:
        raise ValueError("a share needs at least one trial")
    z = normal_quantile(level)
    share = successes / trials
    scale = 1.0 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    reach = z * math.sqrt(max(share * (1.0 - share), 0.0) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, centre - reach), min(1.0, centre + reach)


FEWEST = 2  # A variance needs two sessions of each class.


@dataclass(frozen=True)
class Placements:
    """One AUC and the parts that it is the mean of.

    `buyers` float64 [m]: for each buyer the share of non-buyers that score below (ties count half).
    `others` float64 [n]: for each non-buyer the share of buyers that score above.
    """

    auc: float
    buyers: NDArray[np.float64]
    others: NDArray[np.float64]


def placements(labels: NDArray[Any], scores: NDArray[np.float64]) -> Placements:
    """Return the AUC of `scores` [n] for `labels` [n] (0 or 1) with its structural components.

    Raises ValueError when a class is missing.
    """
    positive = labels.astype(bool)
    above, below = scores[positive], scores[~positive]
    if not len(above) or not len(below):
        raise ValueError("an AUC needs both buyers and non-buyers")
    ranks = rankdata(np.concatenate([above, below]))
    buyers = (ranks[: len(above)] - rankdata(above)) / len(below)
    others = 1.0 - (ranks[len(above) :] - rankdata(below)) / len(above)
    return Placements(float(buyers.mean()), buyers, others)


def covariance(first: Placements, second: Placements) -> float:
    """Return DeLong's covariance of two AUCs of the same sessions in the same order.

    That of an AUC with itself is its variance.
    """

    def one(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.dot(a - a.mean(), b - b.mean()) / (len(a) - 1) / len(a))

    return one(first.buyers, second.buyers) + one(first.others, second.others)


def interval(parts: Placements, level: float = LEVEL) -> tuple[float, float]:
    """Return an interval of an AUC at `level`, made on the logit scale so that it stays within 0 and 1.

    DeLong's variance is 0 when the classes are parted without a fault, which would claim certainty: then the
    Wilson interval of that many faultless trials is given, as many as the smaller class has sessions.
    """
    trials = min(len(parts.buyers), len(parts.others))
    variance = covariance(parts, parts)
    if not 0.0 < parts.auc < 1.0 or variance <= 0.0:
        return wilson(parts.auc * trials, trials, level)
    spread = normal_quantile(level) * np.sqrt(variance) / (parts.auc * (1.0 - parts.auc))
    centre = logit(parts.auc)
    return float(expit(centre - spread)), float(expit(centre + spread))


def auc_with_interval(labels: NDArray[Any], scores: NDArray[np.float64]) -> dict[str, float]:
    """Return the AUC with its 95 % interval and standard error: keys value, low, high, error.

    Raises ValueError when a class holds fewer than two sessions.
    """
    parts = placements(labels, scores)
    if min(len(parts.buyers), len(parts.others)) < FEWEST:
        raise ValueError("the interval of an AUC needs at least two buyers and two non-buyers")
    low, high = interval(parts)
    return {"value": parts.auc, "low": low, "high": high, "error": float(np.sqrt(covariance(parts, parts)))}


def paired_test(first: Placements, second: Placements) -> dict[str, float]:
    """Test whether two scores of the same sessions have the same AUC, two-sided.

    Returns difference (first minus second), its 95 % interval low and high, its standard error, z and p.
    """
    difference = first.auc - second.auc
    variance = covariance(first, first) + covariance(second, second) - 2.0 * covariance(first, second)
    error = float(np.sqrt(max(variance, 0.0)))
    # Scores that rank alike leave only rounding noise, of which no z should be made.
    if error < 1e-12:
        error, z = 0.0, 0.0
    else:
        z = difference / error
    reach = normal_quantile(LEVEL) * error
    return {
        "difference": difference,
        "low": difference - reach,
        "high": difference + reach,
        "error": error,
        "z": z,
        "p": float(2.0 * norm.sf(abs(z))) if error else float(abs(difference) < 1e-12),
    }
