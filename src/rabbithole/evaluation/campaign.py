"""Whom to contact, when a contact costs something and a sale is worth something.

A contact is taken to earn the sale of each buyer whom it reaches and nothing of anybody else. What a contact
changes in a shopper stands in no log.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.delong import LEVEL, normal_quantile
from rabbithole.evaluation.scores import Scores

PER = 1000
"""Values are told per so many sessions."""


def campaign(test: Scores, valid: Scores, *, contact_cost: float, sale_worth: float) -> dict[str, Any]:
    """Return what campaigns among ended sessions of test would have been worth, by whom they contact.

    Both amounts are above 0 and in one currency. Returns them and, each as `outcome` tells:
      everybody: all sessions are contacted (nobody: a value of 0)
      expected: those of a probability above contact_cost / sale_worth, which is best for true probabilities
        (Elkan, The Foundations of Cost-Sensitive Learning, 2001, section 1)
      chosen: those that score at least what was best on valid; None where valid holds no session
    """
    amounts = {"contact_cost": contact_cost, "sale_worth": sale_worth}
    threshold = contact_cost / sale_worth
    everybody = outcome(test.buyer, np.ones(len(test.buyer), bool), **amounts)
    expected = outcome(test.buyer, test.score > threshold, **amounts)
    chosen = None
    if len(valid.score):
        best = best_threshold(valid.buyer, valid.score, **amounts)
        contacted = np.zeros(len(test.score), bool) if best is None else test.score >= best
        chosen = {"threshold": best, **outcome(test.buyer, contacted, **amounts)}
    return {
        **amounts,
        "everybody": everybody,
        "expected": {"threshold": threshold, **expected},
        "chosen": chosen,
    }


def best_threshold(
    labels: NDArray[Any], scores: NDArray[np.float64], *, contact_cost: float, sale_worth: float
) -> float | None:
    """Return the score from which on (itself included) contacts are worth most in all.

    labels: [n], 0 or 1; scores: [n]. Equal scores are contacted together. Of thresholds that are worth the
    same the highest is returned, None where it is best to contact nobody.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    values = np.cumsum(sale_worth * labels[order].astype(float) - contact_cost)[ends]
    place = int(np.argmax(values))
    return float(scores[order][ends[place]]) if values[place] > 0.0 else None


def outcome(
    labels: NDArray[Any], contacted: NDArray[np.bool_], *, contact_cost: float, sale_worth: float
) -> dict[str, float]:
    """Return how many are contacted, how many buyers are among them, and the value per 1,000 sessions.

    labels: [n], 0 or 1; contacted: bool [n]. The value comes with the ends `low` and `high` of its
    95 % interval, that of a mean over n sessions.
    """
    values = PER * contacted * (sale_worth * labels.astype(float) - contact_cost)
    error = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    reach = normal_quantile(LEVEL) * error
    return {
        "contacted": int(contacted.sum()),
        "buyers": int(labels[contacted].sum()),
        "value": float(values.mean()),
        "low": float(values.mean()) - reach,
        "high": float(values.mean()) + reach,
    }
