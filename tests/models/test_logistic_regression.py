"""Logistic regression: which features it sees, what it learns from them, and its saved file."""

from pathlib import Path

import numpy as np
import pytest
from factories import random_windows, write_windows
from sklearn.metrics import roc_auc_score

from rabbithole.models.logistic_regression import HANDFUL, Model, Settings
from rabbithole.windows.arrays import Windows, read_encoding, read_split

GOLDEN = [-3.6953785, 4.2419147, -2.3320048]
"""Log odds of the first three ended sessions of valid."""


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Windows, Windows]:
    """Return train and valid, in which every third event of a buyer is of a second kind."""
    folder, rng = tmp_path_factory.mktemp("splits"), np.random.default_rng(3)
    windows = []
    for name in "tv":
        rows = random_windows(400, rng, prefix=name)
        for row in rows:
            kinds = rng.random(len(row["item"])) < (0.33 if row["buyer"] else 0.05)
            row["event"] = np.where(kinds, 5, 4).tolist()
        path = write_windows(folder / name, train=rows)
        windows.append(read_split(path, "train", read_encoding(path)))
    return windows[0], windows[1]


@pytest.fixture(scope="module")
def fitted(splits: tuple[Windows, Windows]) -> Model:
    model = Model(Settings(), seed=0)
    model.fit(splits[0], np.ones(400), splits[1], prefixes=True, shift=0.0)
    return model


def test_it_depends_on_a_handful_of_features_alone(fitted: Model) -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((50, len(fitted.names))).astype(np.float32)
    before = fitted.log_odds(rows)
    used = []
    for column, name in enumerate(fitted.names):
        changed = rows.copy()
        changed[:, column] += 1
        if not np.array_equal(fitted.log_odds(changed), before):
            used.append(name)
    # The log has no cost and no history.
    assert set(used) == {*HANDFUL, "event 5: count"} - {"cost: mean", "earlier: events"}


def test_it_learns_what_a_handful_shows(fitted: Model, splits: tuple[Windows, Windows]) -> None:
    valid = splits[1]
    assert roc_auc_score(valid.buyer, fitted.logits(valid, [0])[0]) > 0.8


def test_the_fit_is_golden(fitted: Model, splits: tuple[Windows, Windows]) -> None:
    """Only a change of the arithmetic may change these numbers."""
    logits = fitted.logits(splits[1], [0])[0]
    assert logits[:3] == pytest.approx(GOLDEN, rel=1e-5)


def test_a_session_s_score_does_not_depend_on_the_sessions_beside_it(fitted: Model) -> None:
    rng = np.random.default_rng(5)
    # As columns of numbers, of which some kernels compute several rows at a time, and the last rows alone.
    rows = np.asfortranarray(rng.random((2000, len(fitted.names))).astype(np.float32))
    whole = fitted.log_odds(rows)
    for _ in range(20):
        some = np.sort(rng.choice(len(rows), rng.integers(1, 400), replace=False))
        np.testing.assert_array_equal(fitted.log_odds(rows[some]), whole[some])


def test_a_saved_model_scores_like_the_fitted_one(
    fitted: Model, splits: tuple[Windows, Windows], tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    loaded = Model.load(tmp_path)
    np.testing.assert_array_equal(loaded.logits(splits[1], [0, 2]), fitted.logits(splits[1], [0, 2]))
