"""ROC and precision-recall curves, thinned until they are cheap to draw and before a loss can be seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

POINTS = 400


def thin(path: NDArray[np.float64], points: int = POINTS) -> NDArray[np.int64]:
    """Return the indices of at most `points` points that lie evenly along `path`, both ends among them.

    `path` never falls: how far along the curve each point lies.
    """
    if len(path) <= points:
        return np.arange(len(path))
    wanted = np.linspace(path[0], path[-1], points)
    return np.unique(np.append(np.searchsorted(path, wanted[:-1], side="left"), len(path) - 1))


def roc(labels: NDArray[Any], scores: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return the ROC curve from (0, 0) to (1, 1), as false_positive and true_positive rates.

    Both classes must be there.
    """
    false_positive, true_positive, _ = roc_curve(labels, scores)
    kept = thin(false_positive + true_positive)
    return {"false_positive": false_positive[kept].tolist(), "true_positive": true_positive[kept].tolist()}


def precision_recall(labels: NDArray[Any], scores: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return precision against rising recall; at recall 0 precision is 1 by convention.

    Both classes must be there.
    """
    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    precision, recall = precision[::-1], recall[::-1]
    kept = thin(recall)
    return {"recall": recall[kept].tolist(), "precision": precision[kept].tolist()}
