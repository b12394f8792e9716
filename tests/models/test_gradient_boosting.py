"""Gradient boosting: some features by hand, sampling, saved files, and a golden fit."""

import numpy as np
import pytest
from factories import random_windows, window, write_windows

from rabbithole.errors import UserError
from rabbithole.models import estimators, gradient_boosting
from rabbithole.models.features.matrix import FeatureMatrix
from rabbithole.models.features.steps import Prefixes
from rabbithole.models.gradient_boosting import Model, Settings
from rabbithole.models.registry import Estimator
from rabbithole.windows.arrays import read_encoding, read_split
from rabbithole.windows.fields import MISSING, RARE, UNSEEN

SETTINGS = Settings(learning_rate=0.1, iterations=20, leaves=8)
GOLDEN = [(1, 0.56012712, 0.54686454, 0.9500744), (17, 0.24678561, 0.23903895, 0.9574256)]
"""Number, losses and valid AUC of the first and the last round."""


def windows_of(folder, rows):
    path = write_windows(folder, train=rows)
    return read_split(path, "train", read_encoding(path))


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Return train and valid, 400 sessions each."""
    folder, rng = tmp_path_factory.mktemp("splits"), np.random.default_rng(1)
    return tuple(windows_of(folder / n, random_windows(400, rng, prefix=n)) for n in "tv")


def test_features_are_those_counted_by_hand(tmp_path):
    rows = [
        window(
            "a", 1, [7, 7, 9, RARE, UNSEEN, MISSING],
            dwell=[None, 1.0, 2.0, 3.0, 4.0, None], event=[4, 5, 4, 4, 4, 4], category=[6, 6, 6, 6, 8, 8],
            hour=[9, 9, 10, 11, 11, 11],
        ),
        window("b", 0, [5], event=[5]),
    ]  # fmt: skip
    windows = windows_of(tmp_path / "w", rows)
    matrix, _ = FeatureMatrix.fit(windows)
    session, prefix = (
        dict(zip(matrix.names, row, strict=True))
        for row in matrix(windows, Prefixes(np.array([0, 0]), np.array([6, 2]))).tolist()
    )
    counted = [
        "events", "item: distinct", "item: repeats", "event 4: count", "event 5: count",
        "category 6: count", "category 8: count", "item: missing", "item: unseen", "item: rare",
    ]  # fmt: skip
    assert [session[name] for name in counted] == [6, 5, 1, 5, 1, 4, 2, 1, 1, 1]
    assert [prefix[name] for name in counted] == [2, 1, 1, 1, 1, 2, 0, 0, 0, 0]
    assert (session["hour: first"], session["hour: last"]) == (9, 11)
    # Dwell times are logs of 1 + seconds.
    seconds = np.expm1([1, 2, 3, 4])
    statistics = ("mean", "lowest", "highest", "standard deviation", "sum", "unknown share")
    assert [session[f"dwell: {name}"] for name in statistics] == pytest.approx(
        [seconds.mean(), seconds[0], seconds[3], seconds.std(), seconds.sum(), 2 / 6]
    )
    assert all(np.isnan(session[f"cost: {name}"]) for name in statistics[:5])
    assert session["cost: unknown share"] == 1


def test_a_large_log_is_sampled(tmp_path, monkeypatch):
    """Of 400 sessions, 200 ends and 300 prefixes, which weigh as much as all prefixes of 200 sessions."""
    rng = np.random.default_rng(2)
    train, valid = (windows_of(tmp_path / n, random_windows(400, rng, prefix=n)) for n in "tv")
    monkeypatch.setattr(estimators, "MAX_SESSIONS", 200)
    monkeypatch.setattr(estimators, "MAX_PREFIXES", 300)
    calls = []
    monkeypatch.setattr(
        gradient_boosting.HistGradientBoostingClassifier,
        "fit",
        lambda _, x, y, **more: calls.append((x, y, more)),
    )
    monkeypatch.setattr(Model, "history", lambda *_: [])
    for seed in (0, 0, 1):
        Model(SETTINGS, seed=seed).fit(train, np.ones(400), valid, prefixes=True, shift=0.0)
    (first, *_), (again, *_), (other, *_) = calls
    running = first[:, -1] == 1
    assert (~running).sum() == 200 and running.sum() == pytest.approx(300, abs=9)
    expected = sum(0.5 / step * (train.lengths >= step).sum() / 2 for step in estimators.PREFIX_STEPS)
    assert calls[0][2]["sample_weight"][running].sum() == pytest.approx(expected, rel=0.1)
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_a_fit_has_golden_metrics(splits):
    """Only a change of the features, the weights or scikit-learn's arithmetic may change these numbers."""
    train, valid = splits
    epochs = Model(SETTINGS, seed=0).fit(train, np.ones(400), valid, prefixes=True, shift=-0.1)
    rounds = [(row.epoch, row.loss, row.valid_loss, row.valid_auc) for row in (epochs[0], epochs[-1])]
    for metrics, golden in zip(rounds, GOLDEN, strict=True):
        assert metrics == pytest.approx(golden, rel=1e-5)


def test_a_saved_model_scores_like_the_fitted_one(splits, tmp_path):
    train, valid = splits
    model = Model(SETTINGS, seed=0)
    model.fit(train, np.ones(400), valid, prefixes=True, shift=0.0)
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    np.testing.assert_array_equal(loaded.logits(valid, [0, 1, 3]), model.logits(valid, [0, 1, 3]))


def test_the_model_is_an_estimator_and_networks_are_not():
    from rabbithole.models import dilated_conv, gru

    assert issubclass(Model, Estimator)
    assert not issubclass(gru.Model, Estimator) and not issubclass(dilated_conv.Model, Estimator)


def test_a_file_with_other_code_in_it_is_refused(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(print), tmp_path / "model.skops")
    with pytest.raises(UserError, match="which no such model contains"):
        Model.load(tmp_path)
