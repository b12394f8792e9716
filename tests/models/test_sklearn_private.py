"""The private API of scikit-learn that `rabbithole.models.sklearn_private` uses still works."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from rabbithole.models.sklearn_private import TREE_TYPE, drop_training_state, first_log_odds, tree_nodes

ROWS = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)


@pytest.fixture
def booster() -> HistGradientBoostingClassifier:
    """Return a fitted booster of a few trees."""
    labels = ROWS[:, 0] + ROWS[:, 1] > 0
    return HistGradientBoostingClassifier(
        max_iter=5, early_stopping=True, scoring="roc_auc", random_state=0
    ).fit(ROWS, labels)


def test_fitting_still_leaves_the_attributes_that_are_dropped(
    booster: HistGradientBoostingClassifier,
) -> None:
    """If this fails, scikit-learn has changed: see whether `drop_training_state` is still needed."""
    before = booster.decision_function(ROWS)
    assert {"_scorer", "_raw_predict"} <= vars(booster).keys()
    drop_training_state(booster)
    assert not {"_scorer", "_raw_predict"} & vars(booster).keys()
    np.testing.assert_array_equal(booster.decision_function(ROWS), before)


def test_the_leaves_that_a_row_reaches_add_up_to_its_log_odds(
    booster: HistGradientBoostingClassifier,
) -> None:
    sums = []
    for row in ROWS[:20]:
        total = first_log_odds(booster)
        for nodes in tree_nodes(booster):
            node = nodes[0]
            while not node["is_leaf"]:
                below = row[node["feature_idx"]] <= node["num_threshold"]
                node = nodes[node["left"] if below else node["right"]]
            total += node["value"]
        sums.append(total)
    np.testing.assert_allclose(sums, booster.decision_function(ROWS[:20]), rtol=1e-12)


def test_the_trees_are_of_the_type_that_saved_models_may_hold(
    booster: HistGradientBoostingClassifier,
) -> None:
    kind = type(booster._predictors[0][0])
    assert f"{kind.__module__}.{kind.__qualname__}" == TREE_TYPE
