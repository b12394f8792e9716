"""Balancing train's few buyers, and the way back to true probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from rabbithole.windows.arrays import Windows


def balanced_rows(buyer: NDArray[np.int8], balance: str, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the numbers of the sessions to train on in an epoch, int64 [m].

    `undersample` draws as many others as there are buyers, `oversample` draws buyers again until they are
    as many; each epoch draws anew.
    """
    rows = np.arange(len(buyer))
    if balance not in ("undersample", "oversample"):
        return rows
    # Its import takes two seconds, which scoring and most trainings need not wait for.
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler if balance == "undersample" else RandomOverSampler
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    chosen, _ = sampler(random_state=state).fit_resample(rows[:, None], buyer)
    return np.asarray(chosen[:, 0], np.int64)


def class_weights(buyer: NDArray[np.int8], balance: str) -> NDArray[np.float32]:
    """Return each session's weight, float32 [n], mean 1; with `class_weight` both classes weigh the same."""
    if balance != "class_weight":
        return np.ones(len(buyer), np.float32)
    share = buyer.mean()
    return np.where(buyer == 1, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)


def prior_shift(buyer: NDArray[np.int8], balance: str) -> float:
    """Return what must be added to log odds learned on balanced sessions to make them natural ones.

    Balancing multiplies the odds of every session by others / buyers, whatever its features, so that adding
    log(buyers / others) is exact (Elkan 2001, The Foundations of Cost-Sensitive Learning, theorem 2). It
    holds for running sessions too: whole sessions are drawn or weighted.
    """
    return 0.0 if balance == "none" else natural_log_odds(buyer)


def natural_log_odds(buyer: NDArray[np.int8]) -> float:
    """Return log(buyers / others)."""
    buyers = int(buyer.sum())
    return float(np.log(buyers) - np.log(len(buyer) - buyers))


SLOPE_SCALE = 0.3
"""How far from 1 a slope lies, by and large, as a logarithm: networks of few sessions had 0.8 to 1.3. What
learned a few buyers by heart, a hundred times each, has a tenth: the prior's tails are heavy."""

INTERCEPT_SCALE = 1.5
"""The same of the log odds of an average session, which few buyers tell well enough."""

KINDS = ("ended", "running")


def fit_calibration(
    logits: Callable[[list[int]], NDArray[np.float64]], valid: Windows, *, shift: float, length: int
) -> dict[str, dict[str, float]]:
    """Fit slope and intercept of valid's log odds, of ended sessions and of running ones.

    logits: from steps to log odds as trained, float64 [len(steps), n], NaN where a session is shorter; shift:
    what balancing took from them. As Platt (1999, Probabilistic outputs for support vector machines), but
    with Cauchy priors around a slope of 1 and no change on average, as valid may hold few buyers (Gelman,
    Jakulin, Pittau and Su 2008, A weakly informative default prior distribution for logistic and other
    regression models). Running sessions are those after 1, 2, 4, ... events; together they weigh as much as
    all sessions once. Sessions cut to the window's `length` have no beginnings here.
    """
    steps = [2**power for power in range(length.bit_length()) if 2**power <= length]
    found = logits([0, *steps]) + shift
    found[1:, valid.events > length] = np.nan
    centre = natural_log_odds(valid.buyer)
    fitted = {}
    for kind, rows in zip(KINDS, (found[:1], found[1:]), strict=True):
        which, sessions = np.nonzero(~np.isnan(rows))
        slope, intercept = _fit(
            rows[which, sessions] - centre, valid.buyer[sessions], centre, weight=len(valid) / len(sessions)
        )
        fitted[kind] = {"slope": slope, "intercept": intercept + slope * shift}
    return fitted


def calibrated(
    logits: NDArray[np.float64], steps: list[int], calibration: dict[str, dict[str, float]]
) -> NDArray[np.float64]:
    """Return log odds as `fit_calibration` found them true, float64 [len(steps), n]; step 0 is an end."""
    lines = [calibration["running" if step else "ended"] for step in steps]
    slope, intercept = (np.array([[line[name]] for line in lines]) for name in ("slope", "intercept"))
    return slope * logits + intercept


def _fit(
    centred: NDArray[np.float64], buyer: NDArray[np.int8], centre: float, *, weight: float
) -> tuple[float, float]:
    """Return slope and intercept of log odds, given less their centre."""
    scale = np.array([SLOPE_SCALE, INTERCEPT_SCALE])

    def loss(at: NDArray[np.float64]) -> tuple[float, Any]:
        slope = np.exp(at[0])
        odds = at[1] + centre + slope * centred
        off = expit(odds) - buyer
        away = at / scale
        prior = 2 * away / (1 + away**2) / scale
        slopes = weight * np.array([(off * slope * centred).sum(), off.sum()]) + prior
        return float(weight * (np.logaddexp(0, odds) - buyer * odds).sum() + np.log1p(away**2).sum()), slopes

    power, moved = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    slope = float(np.exp(power))
    return slope, float(moved + centre - slope * centre)
