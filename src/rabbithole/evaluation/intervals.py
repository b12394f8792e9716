"""The level of intervals, the normal quantile, and Wilson's interval of a proportion."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.95
"""Level of all intervals that name no other."""


def normal_quantile(level: float = LEVEL) -> float:
    """Return the half-width of a two-sided normal interval, in standard errors."""
    return float(norm.ppf(0.5 + level / 2.0))


def wilson_interval(successes: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> tuple[Any, Any]:
    """Return both ends of Wilson's interval of successes / trials: floats, or arrays of the same shape.

    The interval stays within 0 and 1 and holds for a handful of successes, where the normal interval fails.
    `successes` may be fractional: an expectation over ties. Raises ValueError without trials.
    """
    if np.min(trials) <= 0:
        raise ValueError("a proportion needs at least one trial")
    low, high = proportion_confint(successes, trials, alpha=1.0 - level, method="wilson")
    return low, high
