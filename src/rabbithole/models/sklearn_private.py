"""The only uses of scikit-learn's private API: what a fitted booster holds. No public API gives it."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

TREE_TYPE = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
"""The type of a booster's trees, as skops names it."""

TRAINING_STATE = ("_scorer", "_raw_predict")
"""Attributes that fitting leaves on a booster and that prediction does not use."""


def drop_training_state(booster: HistGradientBoostingClassifier) -> None:
    """Delete what fitting leaves on a booster and prediction does not use.

    skops does not trust the scorer, and would recurse for ever into `_raw_predict`, a method bound to the
    booster itself.
    """
    for name in TRAINING_STATE:
        vars(booster).pop(name, None)


def tree_nodes(booster: HistGradientBoostingClassifier) -> list[NDArray[np.void]]:
    """Return the nodes of each tree, as scikit-learn's structured array. They add to `first_log_odds`."""
    return [trees[0].nodes for trees in booster._predictors]


def first_log_odds(booster: HistGradientBoostingClassifier) -> float:
    """Return the log odds before the first tree."""
    return float(booster._baseline_prediction.item())
