"""Balances the classes of train, and calibrates log odds: slope and intercept are fitted on valid."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from rabbithole.artifacts.training import Calibration, CalibrationLine
from rabbithole.specs.training import Balance
from rabbithole.windows.arrays import Windows


def balanced_rows(buyer: NDArray[np.int8], balance: Balance, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the sessions to train on in an epoch, int64 [m].

    `undersample` draws as many non-buyers as there are buyers. `oversample` repeats buyers until they are as
    many as the non-buyers. Each epoch draws others.
    """
    rows = np.arange(len(buyer))
    if balance not in ("undersample", "oversample"):
        return rows
    # The import takes two seconds, and scoring and most trainings do not need it.
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler if balance == "undersample" else RandomOverSampler
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    balanced, _ = sampler(random_state=state).fit_resample(rows[:, None], buyer)
    return np.asarray(balanced[:, 0], np.int64)


def class_weights(buyer: NDArray[np.int8], balance: Balance) -> NDArray[np.float32]:
    """Return each session's weight, float32 [n], mean 1; with `class_weight` both classes weigh the same."""
    if balance != "class_weight":
        return np.ones(len(buyer), np.float32)
    share = buyer.mean()
    return np.where(buyer == 1, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)


def prior_shift(buyer: NDArray[np.int8], balance: Balance) -> float:
    """Return what turns log odds trained on balanced sessions into those of the natural share of buyers.

    Balancing multiplies the odds of every session by non-buyers / buyers, whatever its features. So adding
    log(buyers / non-buyers) is exact (Elkan 2001, The Foundations of Cost-Sensitive Learning, theorem 2). It
    holds for running sessions too, as sessions are drawn or weighted as a unit.
    """
    return 0.0 if balance == "none" else natural_log_odds(buyer)


def natural_log_odds(buyer: NDArray[np.int8]) -> float:
    """Return log(buyers / non-buyers)."""
    buyers = int(buyer.sum())
    return float(np.log(buyers) - np.log(len(buyer) - buyers))


SLOPE_SCALE = 0.3
"""Scale of the prior of log(slope). Networks trained on few sessions had slopes of 0.8 to 1.3. A model that
memorised a few buyers, each seen a hundred times, has a slope of 0.1: so the prior has heavy tails."""

INTERCEPT_SCALE = 1.5
"""Scale of the prior of the change in an average session's log odds, which few buyers determine poorly."""


def fit_calibration(
    logits: Callable[[list[int]], NDArray[np.float64]], valid: Windows, *, shift: float, length: int
) -> Calibration:
    """Fit slope and intercept on valid's log odds, for ended sessions and for running ones.

    logits: from steps to log odds as trained, float64 [len(steps), n], NaN for shorter sessions; shift: see
    `prior_shift`. The method is that of Platt (1999, Probabilistic outputs for support vector machines), but
    with Cauchy priors around a slope of 1 and no change on average, as valid may hold few buyers (Gelman,
    Jakulin, Pittau and Su 2008, A weakly informative default prior distribution for logistic and other
    regression models). Running sessions are taken after 1, 2, 4, ... events; together they weigh as much as
    all sessions once. Sessions of more than `length` events are left out of them, as their first events
    are not in valid. Where valid lacks buyers or others, nothing is fitted, and only the shift is applied.
    """
    if not 0 < int(valid.buyer.sum()) < len(valid):
        unfitted = CalibrationLine(slope=1.0, intercept=shift)
        return Calibration(ended=unfitted, running=unfitted)
    log_odds = logits([0, *running_steps(length)]) + shift
    log_odds[1:, valid.events > length] = np.nan
    centre = natural_log_odds(valid.buyer)

    def line(log_odds: NDArray[np.float64]) -> CalibrationLine:
        which, sessions = np.nonzero(~np.isnan(log_odds))
        if not len(sessions):
            return CalibrationLine(slope=1.0, intercept=shift)
        slope, intercept = _fit(
            log_odds[which, sessions] - centre,
            valid.buyer[sessions],
            centre,
            weight=len(valid) / len(sessions),
        )
        return CalibrationLine(slope=slope, intercept=intercept + slope * shift)

    return Calibration(ended=line(log_odds[:1]), running=line(log_odds[1:]))


def running_steps(length: int) -> list[int]:
    """Return the numbers of events after which running sessions are fitted: 1, 2, 4, ... up to `length`."""
    return [2**power for power in range(length.bit_length()) if 2**power <= length]


def calibrate(logits: NDArray[np.float64], steps: list[int], calibration: Calibration) -> NDArray[np.float64]:
    """Return calibrated log odds, float64 [len(steps), n]; step 0 is the ended session."""
    lines = [calibration.running if step else calibration.ended for step in steps]
    slope = np.array([[line.slope] for line in lines])
    intercept = np.array([[line.intercept] for line in lines])
    return slope * logits + intercept


def _fit(
    centred: NDArray[np.float64], buyer: NDArray[np.int8], centre: float, *, weight: float
) -> tuple[float, float]:
    """Return slope and intercept; centred: log odds minus `centre`, float64 [m]."""
    scale = np.array([SLOPE_SCALE, INTERCEPT_SCALE])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, Any]:
        """Return the negative log posterior and its gradient; parameters: log(slope) and the change."""
        slope = np.exp(parameters[0])
        log_odds = parameters[1] + centre + slope * centred
        errors = expit(log_odds) - buyer
        scaled = parameters / scale
        prior_gradient = 2 * scaled / (1 + scaled**2) / scale
        gradient = weight * np.array([(errors * slope * centred).sum(), errors.sum()]) + prior_gradient
        likelihood = (np.logaddexp(0, log_odds) - buyer * log_odds).sum()
        return float(weight * likelihood + np.log1p(scaled**2).sum()), gradient

    log_slope, change = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    slope = float(np.exp(log_slope))
    return slope, float(change + centre - slope * centre)
