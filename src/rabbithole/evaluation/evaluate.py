"""Everything that is said about one set of scores: metrics.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from rabbithole.errors import UserError
from rabbithole.evaluation import calibration, curves, lift
from rabbithole.evaluation.campaign import campaign
from rabbithole.evaluation.delong import auc_with_interval
from rabbithole.evaluation.scores import Scores, read_scores, rounded
from rabbithole.io.atomic import write_json

FEWEST_BUYERS = 5  # Below that an AUC by steps says nothing but noise.


def evaluate(*, scores: Path, contact_cost: float, sale_worth: float, output: Path) -> None:
    """Judge one scores.parquet (a model's or the oracle's) on the test split at its natural balance.

    Writes metrics.json at `output`. What can't be computed is null, with a reason beside it.
    `contact_cost` and `sale_worth` are those of a campaign, see `campaign`.
    Raises `UserError` when no ended session of the test split is scored.
    """
    test = read_scores(scores, "test")
    ended = test.after(0)
    if not len(ended.score):
        raise UserError(
            f"{scores} scores no ended session of the test split: give the test split more sessions."
        )
    valid = read_scores(scores, "valid").after(0)
    metrics = {
        "split": "test",
        **ranking(ended.buyer, ended.score, fewest=2),
        **probabilities(ended.buyer, ended.score),
        "lift": lift.lift_table(ended.buyer, ended.score),
        "gain": lift.gain_curve(ended.buyer, ended.score),
        "campaign": campaign(ended, valid, contact_cost=contact_cost, sale_worth=sale_worth),
        **drawn(ended.buyer, ended.score),
        "by_steps": by_steps(test),
        "by_length": by_length(test),
        "valid": ranking(valid.buyer, valid.score, fewest=2),
    }
    write_json(output, rounded(metrics))


def ranking(labels: NDArray[np.int8], scores: NDArray[np.float64], *, fewest: int) -> dict[str, Any]:
    """Return sessions, buyers, their share, AUC with interval, average precision (by chance: the share).

    The last two are None, with a `reason`, when either class has fewer than `fewest` sessions.
    """
    sessions, buyers = len(labels), int(labels.sum())
    facts: dict[str, Any] = {
        "sessions": sessions,
        "buyers": buyers,
        "share": buyers / sessions if sessions else None,
        "auc": None,
        "average_precision": None,
        "reason": None,
    }
    if not sessions:
        return {**facts, "reason": "no session was scored"}
    if min(buyers, sessions - buyers) < fewest:
        rarer, number = ("buyer", buyers) if buyers < fewest else ("non-buyer", sessions - buyers)
        found = f"{number or 'no'} {rarer}{'' if number == 1 else 's'}"
        return {
            **facts,
            "reason": f"{found} in {sessions:,} sessions; at least {fewest} are needed",
        }
    return {
        **facts,
        "auc": auc_with_interval(labels, scores),
        "average_precision": float(average_precision_score(labels, scores)),
    }


def probabilities(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Return log loss (nats) and Brier score beside those of the best constant, and the calibration."""
    constant = np.full(len(labels), labels.mean())
    return {
        "log_loss": calibration.log_loss(labels, scores),
        "log_loss_constant": calibration.log_loss(labels, constant),
        "brier": calibration.brier(labels, scores),
        "brier_constant": calibration.brier(labels, constant),
        "calibration": {
            **calibration.slope_and_intercept(labels, scores),
            "expected_error": calibration.expected_error(labels, scores),
            "mean_score": float(scores.mean()),
        },
        "reliability": calibration.reliability(labels, scores),
    }


def drawn(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Return the ROC and the precision-recall curve, None when a class is missing."""
    if labels.all() or not labels.any():
        return {"roc": None, "precision_recall": None}
    return {"roc": curves.roc(labels, scores), "precision_recall": curves.precision_recall(labels, scores)}


def by_steps(test: Scores) -> list[dict[str, Any]]:
    """Return what is known of sessions still running after their first k events, for each k that was scored.

    Will they still buy? Their ranking, log loss (nats) and calibration.
    """
    return [
        {
            "steps": steps,
            **ranking(part.buyer, part.score, fewest=FEWEST_BUYERS),
            "log_loss": calibration.log_loss(part.buyer, part.score),
            "mean_score": float(part.score.mean()),
            "slope": calibration.slope_and_intercept(part.buyer, part.score)["slope"],
        }
        for steps in _asked(test)
        for part in [test.after(steps)]
    ]


def by_length(test: Scores) -> list[dict[str, Any]]:
    """Return the ranking of ended sessions by their number of events: from each k scored to the next.

    Did they hold a buyer? `to` is None in the last group, which has no end.
    """
    ended, asked = test.after(0), _asked(test)
    names = pa.array(ended.session_id, pa.string())
    # A session has a score after k events exactly if it is that long.
    reached = [
        pc.is_in(names, value_set=pa.array(test.after(steps).session_id, pa.string())).to_numpy(False)
        for steps in asked
    ]
    groups = np.sum(reached, axis=0) if asked else np.zeros(len(names), np.int64)
    edges = [0, *asked]
    return [
        {
            "from": edges[group] or 1,
            "to": asked[group] - 1 if group < len(asked) else None,
            **ranking(ended.buyer[groups == group], ended.score[groups == group], fewest=FEWEST_BUYERS),
        }
        for group in np.unique(groups).tolist()
    ]


def _asked(test: Scores) -> list[int]:
    return sorted(int(steps) for steps in np.unique(test.steps) if steps > 0)
