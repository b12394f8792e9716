"""Campaigns that contact the sessions with the highest scores: lift, gain, and the best threshold.

A contact is assumed to earn the sale of each buyer that it reaches, and nothing else. No log shows how a
contact changes a shopper. Lift and gain take sessions of equal score in random order: they are expectations
over all orders.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.evaluation import (
    Campaign,
    CampaignOutcome,
    GainCurve,
    LiftRow,
    ThresholdOutcome,
)
from rabbithole.evaluation.delong import design_effect, normal_quantile, wilson_interval
from rabbithole.evaluation.scores import Scores
from rabbithole.specs.evaluation import EvaluateSpec

LIFT_TOPS = (0.01, 0.05, 0.10)
"""Fractions of the highest-ranked sessions in the lift table."""

GAIN_FRACTIONS = (0.0, 0.005, *(percent / 100 for percent in range(1, 101)))
"""Fractions of the highest-ranked sessions on the gain curve."""

VALUE_PER = 1000
"""Sessions that a campaign's value refers to."""


def expected_buyers(
    labels: NDArray[Any], scores: NDArray[np.float64], addressed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected number of buyers among the highest scores, float64 [k].

    addressed: float64 [k], numbers of sessions, may be fractional.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)) + 1, len(ordered))
    buyers = np.cumsum(labels[order].astype(float))[ends - 1]
    # Within equal scores buyers come at a constant rate, so the expectation is a straight line.
    return np.interp(addressed, np.concatenate([[0], ends]), np.concatenate([[0.0], buyers]))


def lift_table(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> list[LiftRow]:
    """Return the lift in the top 1, 5 and 10 %: the share of buyers there over that of all sessions.

    The number addressed is rounded to whole sessions, at least one. The interval is Wilson's 95 % interval of
    the fraction of buyers reached, divided by the fraction of sessions addressed. visitors: [n], a number per
    visitor, None where all sessions count as independent. Empty without buyers.
    """
    sessions, buyers = len(labels), int(labels.sum())
    if not buyers:
        return []
    table = []
    for top in LIFT_TOPS:
        addressed = max(1, round(top * sessions))
        expected = float(expected_buyers(labels, scores, np.array([addressed], float))[0])
        (effect,) = _design_effects(labels, scores, np.array([addressed], float), visitors)
        low, high = wilson_interval(expected / effect, buyers / effect)
        fraction = addressed / sessions
        table.append(
            LiftRow(
                top=top,
                addressed=addressed,
                buyers=expected,
                reached=expected / buyers,
                lift=expected / buyers / fraction,
                low=low / fraction,
                high=high / fraction,
            )
        )
    return table


def gain_curve(
    labels: NDArray[Any], scores: NDArray[np.float64], visitors: NDArray[Any] | None = None
) -> GainCurve:
    """Return the cumulative gain with Wilson's 95 % intervals, by percent; empty without buyers.

    visitors: [n], a number per visitor, None where all sessions count as independent.
    """
    buyers = int(labels.sum())
    if not buyers:
        return GainCurve(addressed=[], reached=[], low=[], high=[])
    fractions = np.array(GAIN_FRACTIONS)
    addressed = fractions * len(labels)
    expected = expected_buyers(labels, scores, addressed)
    effects = _design_effects(labels, scores, addressed, visitors)
    low, high = wilson_interval(expected / effects, buyers / effects)
    return GainCurve(
        addressed=fractions.tolist(),
        reached=(expected / buyers).tolist(),
        low=low.tolist(),
        high=high.tolist(),
    )


def _design_effects(
    labels: NDArray[Any],
    scores: NDArray[np.float64],
    addressed: NDArray[np.float64],
    visitors: NDArray[Any] | None,
) -> NDArray[np.float64]:
    """Return the design effect of the share of buyers among the highest scores, float64 [k].

    addressed: float64 [k], numbers of sessions, may be fractional. Without visitors it is 1.
    """
    if visitors is None:
        return np.ones(len(addressed))
    positive, ordered = labels.astype(bool), np.sort(scores)[::-1]
    effects = np.empty(len(addressed))
    for place, number in enumerate(addressed):
        cut = ordered[max(0, int(np.ceil(number)) - 1)]
        tied = (number - np.sum(scores > cut)) / np.sum(scores == cut)
        reached = np.where(scores == cut, tied, (scores > cut).astype(float))
        effects[place] = design_effect(reached[positive], visitors[positive])
    return effects


def campaign(test: Scores, valid: Scores, costs: EvaluateSpec) -> Campaign:
    """Return the value of campaigns among the ended sessions of test.

    The costs are positive and in one currency. Contacting nobody has the value 0. Evaluated are:
      everybody: all sessions are contacted
      expected: sessions with a score above contact_cost / sale_worth, which is optimal for calibrated scores
        (Elkan, The Foundations of Cost-Sensitive Learning, 2001, section 1)
      chosen: sessions from the best threshold on valid upwards; None where valid has no session. With folds,
        each has a threshold from its own valid, as a session's label must not help to choose the threshold
        that it is tested with. The threshold given is their median.
    """
    ratio = costs.contact_cost / costs.sale_worth
    everybody = outcome(test.buyer, np.ones(len(test.buyer), bool), costs, test.visitor)
    expected = _threshold_outcome(test, worthwhile(test.score, ratio), costs, ratio)
    chosen = None
    if len(valid.score):
        folds = np.zeros(len(test.score), np.int8) if test.fold is None else test.fold
        best = {
            fold: best_threshold(of_fold.buyer, of_fold.score, costs)
            for fold in np.unique(folds).tolist()
            for of_fold in [valid if valid.fold is None else valid.take(valid.fold == fold)]
        }
        thresholds = {fold: np.inf if value is None else value for fold, value in best.items()}
        contacted = test.score >= np.array([thresholds[fold] for fold in folds.tolist()])
        threshold = float(np.median(list(thresholds.values())))
        chosen = _threshold_outcome(test, contacted, costs, threshold if np.isfinite(threshold) else None)
    return Campaign(
        contact_cost=costs.contact_cost,
        sale_worth=costs.sale_worth,
        everybody=everybody,
        expected=expected,
        chosen=chosen,
    )


def _threshold_outcome(
    test: Scores, contacted: NDArray[np.bool_], costs: EvaluateSpec, threshold: float | None
) -> ThresholdOutcome:
    """Return the outcome of a campaign, with the design effect of the buyers whom it leaves out."""
    effect, out = 1.0, ~contacted
    if test.visitor is not None and out.any():
        effect = design_effect(test.buyer[out].astype(float), test.visitor[out])
    whole = outcome(test.buyer, contacted, costs, test.visitor)
    return ThresholdOutcome(threshold=threshold, left_out_effect=effect, **dict(whole))


def worthwhile(scores: NDArray[np.float64], ratio: float) -> NDArray[np.bool_]:
    """Return which sessions are worth a contact, bool [n]; ratio: cost of a contact over worth of a sale."""
    return scores > ratio


def highest(scores: NDArray[np.float64], number: int) -> NDArray[np.bool_]:
    """Return which sessions have the `number` highest scores, bool [n]; of equal ones the first count."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[:number]] = True
    return chosen


def best_threshold(labels: NDArray[Any], scores: NDArray[np.float64], costs: EvaluateSpec) -> float | None:
    """Return the lowest score to contact (itself included) that makes the campaign worth most.

    labels: [n], 0 or 1; scores: float64 [n]. Equal scores are contacted together. Of equally good thresholds
    the highest is returned, None where contacting nobody is best.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    values = np.cumsum(costs.sale_worth * labels[order].astype(float) - costs.contact_cost)[ends]
    best = int(np.argmax(values))
    return float(scores[order][ends[best]]) if values[best] > 0.0 else None


def outcome(
    labels: NDArray[Any],
    contacted: NDArray[np.bool_],
    costs: EvaluateSpec,
    visitors: NDArray[np.uint64] | None = None,
) -> CampaignOutcome:
    """Return the outcome of contacting some sessions, with its value per 1,000 of all sessions.

    labels: [n], 0 or 1; contacted: bool [n]; visitors: [n], a number per visitor, None where all sessions
    count as independent. The interval is the normal one of a mean over n sessions, or over visitors.
    """
    values = VALUE_PER * contacted * (costs.sale_worth * labels.astype(float) - costs.contact_cost)
    half_width = normal_quantile() * _error_of_mean(values, visitors)
    value = float(values.mean())
    return CampaignOutcome(
        contacted=int(contacted.sum()),
        buyers=int(labels[contacted].sum()),
        value=value,
        low=value - half_width,
        high=value + half_width,
    )


def _error_of_mean(values: NDArray[np.float64], visitors: NDArray[np.uint64] | None) -> float:
    """Return the standard error of a mean, 0 where it is not known: of one session, or of one visitor's."""
    if visitors is None:
        return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    sums = np.bincount(np.unique(visitors, return_inverse=True)[1], values - values.mean())
    return float(np.sqrt(len(sums) / max(len(sums) - 1, 1) * np.sum(sums**2))) / len(values)
