"""Intervals of shares."""

import math

from scipy.stats import norm

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
