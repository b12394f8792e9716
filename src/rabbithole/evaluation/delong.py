"""AUCs with intervals and paired tests by DeLong's method.

The method: DeLong, DeLong & Clarke-Pearson 1988, Comparing the areas under two or more correlated receiver
operating characteristic curves. The computation from ranks, O(n log n): Sun & Xu 2014, Fast implementation of
DeLong's algorithm. The sessions of a visitor are not independent, so the components of each visitor are
summed: Obuchowski 1997, Nonparametric analysis of clustered ROC curve data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from statsmodels.stats.proportion import proportion_confint

from rabbithole.artifacts.evaluation import AucDifference, AucInterval

CONFIDENCE_LEVEL = 0.95
"""Level of all intervals that name no other."""


def normal_quantile(level: float = CONFIDENCE_LEVEL) -> float:
    """Return the half-width of a two-sided normal interval, in standard errors."""
    return float(norm.ppf(0.5 + level / 2.0))


NO_DIFFERENCE = 1e-12
"""Below this a difference, or its error, is rounding noise."""


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, level: float = CONFIDENCE_LEVEL
) -> tuple[Any, Any]:
    """Return both ends of Wilson's interval of successes / trials: floats, or arrays of the same shape.

    The interval stays within 0 and 1 and holds for a handful of successes, where the normal interval fails.
    `successes` may be fractional: an expectation over ties. Raises ValueError without trials.
    """
    if np.min(trials) <= 0:
        raise ValueError("a proportion needs at least one trial")
    low, high = proportion_confint(successes, trials, alpha=1.0 - level, method="wilson")
    return low, high


def design_effect(values: NDArray[np.float64], visitors: NDArray[Any] | None) -> float:
    """Return how many times larger the variance of a mean is as the sessions of a visitor are alike.

    values: float64 [n]; visitors: [n], a number per visitor, None where all sessions count as independent. An
    interval of a share is then that of fewer sessions: n / effect (Kish 1965, Survey Sampling, section 8.2;
    Franco et al. 2019, Comparative Study of Confidence Intervals for Proportions in Complex Sample Surveys).
    At least 1: with few visitors it may look smaller by chance.
    """
    if visitors is None:
        return 1.0
    residuals = values - values.mean()
    independent = float(residuals @ residuals) / max(len(values) - 1, 1)
    sums = np.bincount(np.unique(visitors, return_inverse=True)[1], residuals)
    if independent <= NO_DIFFERENCE or len(sums) < 2:
        return 1.0
    clustered = float(sums @ sums) * len(sums) / (len(sums) - 1) / len(values)
    return max(1.0, clustered / independent)


MIN_CLASS_SIZE = 2
"""Sessions of each class that a variance needs."""


@dataclass(frozen=True)
class Placements:
    """An AUC and its structural components, whose means it is.

    buyers: float64 [m], for each buyer the fraction of non-buyers with a lower score (ties count half);
    non_buyers: float64 [n], for each non-buyer the fraction of buyers with a higher score; visitors: of the
    buyers [m] and of the non-buyers [n], numbered from 0, None where all sessions count as independent.
    """

    auc: float
    buyers: NDArray[np.float64]
    non_buyers: NDArray[np.float64]
    visitors: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def by_visitor(self) -> NDArray[np.float64]:
        """Return each visitor's part of the AUC's error, float64 [visitors]; the variance sums squares."""
        assert self.visitors is not None
        visitors = 1 + max(int(codes.max()) for codes in self.visitors)
        total = np.zeros(visitors)
        for codes, components in zip(self.visitors, (self.buyers, self.non_buyers), strict=True):
            clusters = len(np.unique(codes))
            weight = np.sqrt(clusters / (clusters - 1)) / len(components)
            total += weight * np.bincount(codes, components - self.auc, minlength=visitors)
        return total


def placements(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> Placements:
    """Return the AUC of `scores` [n] for `labels` [n] (0 or 1) with its structural components.

    visitors: [n], a number per visitor, None where all sessions count as independent; so they do if all
    sessions of a class are one visitor's. Raises ValueError when a class is missing.
    """
    positive = labels.astype(bool)
    buyers, non_buyers = scores[positive], scores[~positive]
    if not len(buyers) or not len(non_buyers):
        raise ValueError("an AUC needs both buyers and non-buyers")
    ranks = rankdata(np.concatenate([buyers, non_buyers]))
    below = (ranks[: len(buyers)] - rankdata(buyers)) / len(non_buyers)
    above = 1.0 - (ranks[len(buyers) :] - rankdata(non_buyers)) / len(buyers)
    return Placements(float(below.mean()), below, above, _by_class(positive, visitors))


def _by_class(
    positive: NDArray[np.bool_], visitors: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the visitors of buyers and of non-buyers, numbered from 0."""
    if visitors is None:
        return None
    codes = np.unique(visitors, return_inverse=True)[1].astype(np.int64)
    classes = codes[positive], codes[~positive]
    return (
        None
        if any(len(np.unique(labels_of_class)) < MIN_CLASS_SIZE for labels_of_class in classes)
        else classes
    )


def covariance(first: Placements, second: Placements) -> float:
    """Return DeLong's covariance of two AUCs on the same sessions in the same order.

    The covariance of an AUC with itself is its variance. With visitors it is Obuchowski's.
    """
    if first.visitors is not None and second.visitors is not None:
        return float(np.dot(first.by_visitor(), second.by_visitor()))

    def of_means(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.dot(a - a.mean(), b - b.mean()) / (len(a) - 1) / len(a))

    return of_means(first.buyers, second.buyers) + of_means(first.non_buyers, second.non_buyers)


def auc_interval(auc: Placements, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Return both ends of the interval of an AUC, computed on the logit scale to stay within 0 and 1.

    DeLong's variance is 0 when the scores separate the classes perfectly, which would claim certainty. Then
    this is Wilson's interval of as many successful trials as the smaller class has sessions.
    """
    trials = min(len(auc.buyers), len(auc.non_buyers))
    variance = covariance(auc, auc)
    if not 0.0 < auc.auc < 1.0 or variance <= 0.0:
        return wilson_interval(auc.auc * trials, trials, level)
    half_width = normal_quantile(level) * np.sqrt(variance) / (auc.auc * (1.0 - auc.auc))
    centre = logit(auc.auc)
    return float(expit(centre - half_width)), float(expit(centre + half_width))


def auc_with_interval(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> AucInterval:
    """Return the AUC of `scores` [n] for `labels` [n] with its 95 % interval and standard error.

    visitors: as in `placements`. Raises ValueError when a class has fewer than MIN_CLASS_SIZE sessions.
    """
    auc = placements(labels, scores, visitors)
    if min(len(auc.buyers), len(auc.non_buyers)) < MIN_CLASS_SIZE:
        raise ValueError("the interval of an AUC needs at least two buyers and two non-buyers")
    low, high = auc_interval(auc)
    return AucInterval(value=auc.auc, low=low, high=high, error=float(np.sqrt(covariance(auc, auc))))


def paired_test(first: Placements, second: Placements) -> AucDifference:
    """Test whether two scores of the same sessions have the same AUC, two-sided."""
    difference = first.auc - second.auc
    variance = covariance(first, first) + covariance(second, second) - 2.0 * covariance(first, second)
    error = float(np.sqrt(max(variance, 0.0)))
    if error < NO_DIFFERENCE:
        error, z, p = 0.0, 0.0, float(abs(difference) < NO_DIFFERENCE)
    else:
        z = difference / error
        p = float(2.0 * norm.sf(abs(z)))
    half_width = normal_quantile() * error
    return AucDifference(
        difference=difference,
        low=difference - half_width,
        high=difference + half_width,
        error=error,
        z=z,
        p=p,
    )
