"""Balances train's few buyers, and gives the shift of the log odds that undoes it."""

import numpy as np
from numpy.typing import NDArray

from rabbithole.specs.training import Balance


def balanced_rows(buyer: NDArray[np.int8], balance: Balance, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the sessions to train on in an epoch, int64 [m].

    `undersample` draws as many non-buyers as there are buyers. `oversample` repeats buyers until they are as
    many as the non-buyers. Each epoch draws anew.
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
