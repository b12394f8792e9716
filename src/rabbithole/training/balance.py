"""Balancing train's few buyers, and the way back to true probabilities."""

import numpy as np
from numpy.typing import NDArray


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
