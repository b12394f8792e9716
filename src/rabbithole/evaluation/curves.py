"""ROC and precision-recall curves, thinned to a few hundred points for drawing."""

from typing import Any

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from rabbithole.artifacts.evaluation import PrecisionRecallCurve, RocCurve

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
