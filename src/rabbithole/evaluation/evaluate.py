"""All metrics of one set of scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sklearn.metrics
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from rabbithole.artifacts.evaluation import (
    CalibrationMetrics,
    FoldRanking,
    LengthRanking,
    Metrics,
    PrecisionRecallCurve,
    Probabilities,
    Ranking,
    RocCurve,
    RunningRanking,
    StepsRanking,
)
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.evaluation.calibration import (
    brier,
    calibration_regression,
    expected_error,
    log_loss,
    reliability,
)
from rabbithole.evaluation.campaign import campaign, gain_curve, lift_table
from rabbithole.evaluation.delong import MIN_CLASS_SIZE, auc_with_interval
from rabbithole.evaluation.scores import Scores, read_scores
from rabbithole.specs.evaluation import EvaluateSpec

MAX_POINTS = 400
"""Points of a curve: no loss is visible, and the files stay small."""


def thin(path: NDArray[np.float64], points: int = MAX_POINTS) -> NDArray[np.int64]:
    """Return the indices of at most `points` points, spaced evenly along `path` and including both ends.

    path: float64 [n], non-decreasing: how far along the curve each point lies.
    """
    if len(path) <= points:
        return np.arange(len(path))
    wanted = np.linspace(path[0], path[-1], points)
    return np.unique(np.append(np.searchsorted(path, wanted[:-1], side="left"), len(path) - 1))


def roc_curve(labels: NDArray[Any], scores: NDArray[np.float64]) -> RocCurve | None:
    """Return the ROC curve, None when a class is missing."""
    if labels.all() or not labels.any():
        return None
    false_positive, true_positive, _ = sklearn.metrics.roc_curve(labels, scores)
    kept = thin(false_positive + true_positive)
    return RocCurve(false_positive=false_positive[kept].tolist(), true_positive=true_positive[kept].tolist())


def precision_recall_curve(labels: NDArray[Any], scores: NDArray[np.float64]) -> PrecisionRecallCurve | None:
    """Return the precision-recall curve, None when a class is missing. At recall 0 the precision is 1."""
    if labels.all() or not labels.any():
        return None
    precision, recall, _ = sklearn.metrics.precision_recall_curve(labels, scores, drop_intermediate=True)
    precision, recall = precision[::-1], recall[::-1]
    kept = thin(recall)
    return PrecisionRecallCurve(recall=recall[kept].tolist(), precision=precision[kept].tolist())


MIN_GROUP_CLASS_SIZE = 5
"""Sessions of each class that the AUC of a group needs; with fewer it is noise."""


TOP_FRACTION = 0.05
"""Fraction of the highest-ranked running sessions whose buyers are counted."""


def evaluate(spec: EvaluateSpec, *, scores: Path, output: Path, carts: Path | None = None) -> None:
    """Evaluate one scores.parquet on the test split at its natural share of buyers; write metrics.json.

    carts: scores at the first add-to-cart, None where there are none. What cannot be computed is None, with a
    reason beside it. Raises `UserError` when no ended session of the test split has a score.
    """
    test = read_scores(scores, "test")
    ended = test.after(0)
    if not len(ended.score):
        raise UserError(
            f"{scores} scores no ended session of the test split: give the test split more sessions."
        )
    valid = read_scores(scores, "valid").after(0)
    labels, predicted, ranks = ended.buyer, ended.score, ended.ranks
    Metrics(
        split="test",
        **dict(ranking(labels, ranks, ended.visitor)),
        **dict(probabilities(labels, predicted, ended.visitor)),
        reliability=reliability(labels, predicted, ended.visitor),
        lift=lift_table(labels, ranks, ended.visitor),
        gain=gain_curve(labels, ranks, ended.visitor),
        campaign=campaign(ended, valid, spec),
        roc=roc_curve(labels, ranks),
        precision_recall=precision_recall_curve(labels, ranks),
        by_steps=by_steps(test),
        at_first_cart=at_first_cart(carts),
        by_length=by_length(test),
        valid=ranking(valid.buyer, valid.ranks, valid.visitor),
        folds=by_fold(ended),
        visitors=_returning(ended),
    ).write(output)


def _returning(ended: Scores) -> int | None:
    """Return the number of visitors, None where none of them has two sessions."""
    if ended.visitor is None:
        return None
    visitors = len(np.unique(ended.visitor))
    return visitors if visitors < len(ended.score) else None


def ranking(
    labels: NDArray[np.int8],
    scores: NDArray[np.float64],
    visitors: NDArray[np.uint64] | None = None,
    *,
    min_class_size: int = MIN_CLASS_SIZE,
) -> Ranking:
    """Return AUC with interval and average precision, or the reason why there are none.

    visitors: a number per visitor, None where all sessions count as independent. Both metrics need
    `min_class_size` sessions of each class. The average precision of random scores is the share of buyers.
    """
    sessions, buyers = len(labels), int(labels.sum())
    reason = _no_auc(sessions, buyers, min_class_size)
    return Ranking(
        sessions=sessions,
        buyers=buyers,
        share=buyers / sessions if sessions else None,
        auc=None if reason else auc_with_interval(labels, scores, visitors),
        average_precision=None if reason else float(average_precision_score(labels, scores)),
        reason=reason,
    )


def _no_auc(sessions: int, buyers: int, min_class_size: int) -> str | None:
    """Return why there is no AUC, None where there is one."""
    if not sessions:
        return "no session was scored"
    if min(buyers, sessions - buyers) >= min_class_size:
        return None
    name, count = ("buyer", buyers) if buyers < min_class_size else ("non-buyer", sessions - buyers)
    few = plural(count, name, zero="no")
    return f"{few} in {plural(sessions, 'session')}; at least {min_class_size} are needed"


def probabilities(
    labels: NDArray[np.int8], scores: NDArray[np.float64], visitors: NDArray[np.uint64] | None = None
) -> Probabilities:
    """Return log loss and Brier score, for the scores and for the best constant, and the calibration.

    visitors: a number per visitor, None where all sessions count as independent.
    """
    constant = np.full(len(labels), labels.mean())
    return Probabilities(
        log_loss=log_loss(labels, scores),
        log_loss_constant=log_loss(labels, constant),
        brier=brier(labels, scores),
        brier_constant=brier(labels, constant),
        calibration=CalibrationMetrics(
            **dict(calibration_regression(labels, scores, visitors)),
            expected_error=expected_error(labels, scores),
            mean_score=float(scores.mean()),
        ),
    )


def by_steps(test: Scores) -> list[StepsRanking]:
    """Return the metrics of running sessions after each number of events that was scored."""
    return [
        StepsRanking(steps=steps, **dict(running_ranking(test.after(steps)))) for steps in _scored_steps(test)
    ]


def at_first_cart(carts: Path | None) -> RunningRanking | None:
    """Return the metrics of running sessions at their first add-to-cart, None if none has one."""
    scores = None if carts is None else read_scores(carts, "test")
    return running_ranking(scores) if scores and len(scores.score) else None


def running_ranking(running: Scores) -> RunningRanking:
    """Return the metrics of scores of running sessions."""
    lift = lift_table(running.buyer, running.ranks, running.visitor)
    return RunningRanking(
        **dict(ranking(running.buyer, running.ranks, running.visitor, min_class_size=MIN_GROUP_CLASS_SIZE)),
        log_loss=log_loss(running.buyer, running.score),
        mean_score=float(running.score.mean()),
        slope=calibration_regression(running.buyer, running.score, running.visitor).slope,
        reached=next((row.reached for row in lift if row.top == TOP_FRACTION), None),
    )


def by_length(test: Scores) -> list[LengthRanking]:
    """Return the ranking of ended sessions by length: from each number of events scored to the next."""
    ended, steps = test.after(0), _scored_steps(test)
    names = pa.array(ended.session_id, pa.string())
    # A session has a score after k events exactly if it has k events.
    reached = [
        pc.is_in(names, value_set=pa.array(test.after(k).session_id, pa.string())).to_numpy(False)
        for k in steps
    ]
    groups = np.sum(reached, axis=0) if steps else np.zeros(len(names), np.int64)
    return [
        LengthRanking(
            first=steps[group - 1] if group else 1,
            last=steps[group] - 1 if group < len(steps) else None,
            **dict(ranking(some.buyer, some.ranks, some.visitor, min_class_size=MIN_GROUP_CLASS_SIZE)),
        )
        for group in np.unique(groups).tolist()
        for some in [ended.take(groups == group)]
    ]


def by_fold(ended: Scores) -> FoldRanking | None:
    """Return the AUC within each fold, None without folds."""
    if ended.fold is None:
        return None
    aucs = []
    for fold in np.unique(ended.fold):
        of_fold = ended.take(ended.fold == fold)
        auc = ranking(of_fold.buyer, of_fold.score).auc
        aucs.append(None if auc is None else auc.value)
    known = [auc for auc in aucs if auc is not None]
    return FoldRanking(auc=aucs, mean=float(np.mean(known)) if known else None)


def _scored_steps(test: Scores) -> list[int]:
    return sorted(int(steps) for steps in np.unique(test.steps) if steps > 0)
