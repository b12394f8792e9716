"""The search for settings: what it draws, when it leaves the configured settings, and what it keeps."""

from pathlib import Path

import numpy as np
import pytest
from factories import random_windows, train_spec, write_windows

from rabbithole.artifacts.data import WindowsManifest
from rabbithole.artifacts.training import History, ModelDescription
from rabbithole.io.parts import manifest_path
from rabbithole.models.gradient_boosting import Settings
from rabbithole.report.dataset import tuning_sentences
from rabbithole.specs.training import ResumeOptions
from rabbithole.training.train import train
from rabbithole.training.tuning import TRIALS, draw_candidates, is_better


def test_the_configured_settings_come_first_and_others_once_each():
    settings = Settings(leaves=6)
    candidates = draw_candidates(settings, seed=3)
    assert candidates[0] == {}
    assert len(candidates) == TRIALS
    assert len({str(sorted(changes.items())) for changes in candidates}) == TRIALS
    for changes in candidates[1:]:
        assert all(value in Settings.search[key] for key, value in changes.items())
    assert candidates == draw_candidates(settings, seed=3)
    assert candidates != draw_candidates(settings, seed=4)


@pytest.mark.parametrize(
    ("gains", "better"), [([3.0, -1.0], False), ([3.0, 1.0], True), ([-3.0, -1.0], False)]
)
def test_better_means_by_more_than_a_standard_error(gains, better):
    # The standard errors are 2 / sqrt(2), 1 / sqrt(2) and 1 / sqrt(2), around means of 1, 2 and -2.
    assert is_better(np.zeros(2) - gains, np.zeros(2)) is better


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    rows = {
        split: random_windows(count, rng, prefix=split, longest=4)
        for split, count in (("train", 1500), ("valid", 600), ("test", 50))
    }
    return write_windows(tmp_path_factory.mktemp("tuning") / "windows", length=4, **rows)


def searched(windows: Path, folder: Path, penalty: float, tune: float | None) -> tuple[History, dict]:
    """Train logistic regression; return its history and the settings of its checkpoint."""
    train(
        train_spec("logistic_regression", settings={"penalty": penalty}, tune=tune),
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        code="",
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
    )
    settings = ModelDescription.read(folder / "model/model.json").settings
    return History.read(folder / "history.json"), settings


def test_bad_settings_are_replaced_by_the_best_that_valid_finds(windows, tmp_path):
    history, settings = searched(windows, tmp_path, 1e6, tune=5.0)
    tuning = history.tuning
    assert tuning is not None
    assert len(tuning.trials) == tuning.candidates == 5
    losses = [trial.valid_loss for trial in tuning.trials]
    assert tuning.chosen == np.argmin(losses) > 0
    assert tuning_sentences({"logistic_regression seed 0": history}) == [
        f"Logistic regression seed 0: valid chose penalty {settings['penalty']} among 5 trainings."
    ]
    assert settings["penalty"] == tuning.trials[tuning.chosen].settings["penalty"]
    # The kept model is that of a training with these settings alone.
    alone, _ = searched(windows, tmp_path / "alone", settings["penalty"], tune=None)
    assert alone.epochs == history.epochs
    weights = "model/model.skops"
    assert (tmp_path / "alone" / weights).read_bytes() == (tmp_path / weights).read_bytes()


def test_good_settings_stay_and_no_trial_begins_after_the_time(windows, tmp_path):
    history, settings = searched(windows, tmp_path, 1.0, tune=1e-9)
    assert history.tuning is not None
    assert (len(history.tuning.trials), history.tuning.candidates, history.tuning.chosen) == (1, 4, 0)
    assert settings == {"penalty": 1.0}
    assert tuning_sentences({"logistic_regression seed 0": history}) == [
        "Logistic regression seed 0: valid chose the configured settings among 1 training. The time was up: "
        "4 were planned."
    ]


def test_nothing_is_searched_where_valid_has_no_buyer(tmp_path, caplog):
    """Its loss would choose the model that says of everybody that they won't buy."""
    rng = np.random.default_rng(0)
    rows = {
        split: random_windows(200, rng, prefix=split, buyers=share, longest=4)
        for split, share in (("train", 0.3), ("valid", 0.0))
    }
    folder = write_windows(tmp_path / "windows", length=4, **rows)
    manifest = WindowsManifest.read(manifest_path(folder))
    valid = manifest.splits["valid"].model_copy(update={"buyers": 0})
    manifest.model_copy(update={"splits": {**manifest.splits, "valid": valid}}).write(manifest_path(folder))
    history, settings = searched(folder, tmp_path, 1e6, tune=5.0)
    assert (history.tuning, settings) == (None, {"penalty": 1e6})
    assert "Warning: valid lacks buyers" in caplog.text
