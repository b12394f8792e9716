"""Trainings on small windows, from windows to scores: what is learned, what is kept, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import (
    SIZES,
    Row,
    network_settings,
    network_training,
    random_windows,
    train_spec,
    window,
    write_windows,
)
from sklearn.metrics import roc_auc_score

from rabbithole.artifacts.training import CalibrationLine, CheckpointFiles, History, ModelDescription
from rabbithole.errors import UserError
from rabbithole.evaluation.delong import auc_interval, placements
from rabbithole.evaluation.score_sessions import load_model, score
from rabbithole.specs.training import ResumeOptions, ScoreSpec, TrainSpec
from rabbithole.training.train import train

MODELS = ("gru", "dilated_conv", "lstm", "gradient_boosting", "logistic_regression")
ESTIMATORS = ("gradient_boosting", "logistic_regression")
LENGTH = 4


def fit(windows: Path, folder: Path, model: str, *, balance: str = "none", **training: Any) -> History:
    """Train into `folder`/model, score into `folder`/scores.parquet, and return the history."""
    changes: Row = {"balance": balance}
    if model not in ESTIMATORS:
        changes["training"] = network_training(**training)
    train_to(folder, windows, train_spec(model, **changes))
    score_to(folder, windows)
    return History.read(folder / "history.json")


def train_to(folder: Path, windows: Path, spec: TrainSpec) -> None:
    train(
        spec,
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        code="",
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
    )


def score_to(folder: Path, windows: Path) -> None:
    score(
        ScoreSpec(steps=(1, 2)),
        checkpoint=folder / "model",
        windows=windows,
        output=folder / "scores.parquet",
    )


def ended_test_sessions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of test's ended sessions."""
    table = pq.read_table(folder / "scores.parquet")
    table = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    return table["buyer"].to_numpy(), table["score"].to_numpy()


def signed(
    count: int, rng: np.random.Generator, prefix: str, *, signs: float, chances: tuple[float, float]
) -> list[Row]:
    """Return sessions, a share of which starts with a sign; chances: of buying without it, and with it."""
    rows = []
    for number in range(count):
        sign = rng.random() < signs
        steps = int(rng.integers(1, LENGTH + 1))
        events = [5 if sign else 4] + [4] * (steps - 1)
        items = rng.integers(4, 20, steps).tolist()
        buyer = int(rng.random() < chances[int(sign)])
        rows.append(window(f"{prefix}{number:05d}", buyer, items, event=events))
    return rows


def signed_windows(folder: Path, *, signs: float, chances: tuple[float, float]) -> Path:
    """Write windows of such sessions."""
    rng = np.random.default_rng(0)
    rows = {
        split: signed(count, rng, split, signs=signs, chances=chances)
        for split, count in (("train", 12000), ("valid", 1000), ("test", 3000))
    }
    return write_windows(folder / "windows", length=LENGTH, **rows)


def random_splits(folder: Path, rng: np.random.Generator, **counts: int) -> Path:
    """Write windows of random sessions, so many for each split."""
    rows = {
        split: random_windows(count, rng, prefix=split, longest=LENGTH) for split, count in counts.items()
    }
    return write_windows(folder / "windows", length=LENGTH, **rows)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows in which a sign in the first step makes a buyer four times in five."""
    return signed_windows(tmp_path_factory.mktemp("planted"), signs=0.4, chances=(0.1, 0.8))


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows with 5 % buyers; uncorrected, a model of balanced classes would predict 50 %."""
    return signed_windows(tmp_path_factory.mktemp("rare"), signs=0.1, chances=(0.02, 0.3))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_planted_sign_is_learned_with_calibrated_probabilities(model, planted, tmp_path):
    history = fit(planted, tmp_path, model)
    labels, scores = ended_test_sessions(tmp_path)
    # The best that is possible: 0.8 and 0.1 by the sign alone.
    assert roc_auc_score(labels, scores) > 0.8
    assert abs(scores.mean() - labels.mean()) < 0.04
    assert history.best_epoch >= 1
    running = pq.read_table(tmp_path / "scores.parquet")
    running = running.filter(pc.equal(running["steps"], 2))
    assert roc_auc_score(running["buyer"].to_numpy(), running["score"].to_numpy()) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["undersample", "oversample", "class_weight"])
@pytest.mark.parametrize("model", ["gru", "gradient_boosting"])
def test_scores_keep_the_natural_share_of_buyers_after_balancing(model, balance, rare, tmp_path):
    fit(rare, tmp_path, model, balance=balance, epochs=12, patience=12)
    labels, scores = ended_test_sessions(tmp_path)
    assert 0.7 * labels.mean() < scores.mean() < 1.4 * labels.mean()
    assert roc_auc_score(labels, scores) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_shuffled_labels_teach_nothing(model, tmp_path):
    rng = np.random.default_rng(2)
    splits = {
        split: random_windows(count, rng, prefix=split, longest=LENGTH)
        for split, count in (("train", 1500), ("valid", 400), ("test", 1500))
    }
    for rows in splits.values():
        labels = rng.permutation([row["buyer"] for row in rows])
        for row, label in zip(rows, labels, strict=True):
            row["buyer"] = int(label)
    fit(write_windows(tmp_path / "windows", length=LENGTH, **splits), tmp_path, model)
    labels, scores = ended_test_sessions(tmp_path)
    low, high = auc_interval(placements(labels, scores), level=0.999)
    assert low < 0.5 < high


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "gradient_boosting"])
def test_the_same_seed_gives_the_same_bytes(model, planted, tmp_path):
    histories = [fit(planted, tmp_path / name, model, epochs=1).epochs for name in "ab"]
    assert (tmp_path / "a/scores.parquet").read_bytes() == (tmp_path / "b/scores.parquet").read_bytes()
    assert histories[0] == histories[1]


@pytest.mark.slow
def test_host_and_device_batches_train_the_same_network(tmp_path, monkeypatch):
    """Nothing is masked, as host and device draw different random numbers."""
    rng = np.random.default_rng(4)
    rows = {split: random_windows(150, rng, prefix=split, longest=4) for split in ("train", "valid", "test")}
    windows = write_windows(tmp_path / "windows", length=4, sizes=SIZES | {"item": 200}, **rows)
    monkeypatch.setattr("rabbithole.training.batch_source.on_accelerator", lambda: False)
    host = fit(windows, tmp_path / "host", "gru", unseen_share=0.0)
    monkeypatch.setattr("rabbithole.training.batch_source.on_accelerator", lambda: True)
    device = fit(windows, tmp_path / "device", "gru", unseen_share=0.0)
    for one, other in zip(host.epochs, device.epochs, strict=True):
        assert other.model_dump() == pytest.approx(one.model_dump(), rel=1e-5)
    scores = [ended_test_sessions(tmp_path / name)[1] for name in ("device", "host")]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_patience_ends_training(tmp_path):
    """With few sessions and little to learn, the valid AUC gets worse after a while."""
    windows = random_splits(tmp_path, np.random.default_rng(3), train=150, valid=150, test=150)
    history = fit(windows, tmp_path, "gru", epochs=40, patience=2)
    aucs = [metrics.valid_auc for metrics in history.epochs]
    best = int(np.argmax(aucs))
    assert history.best_epoch == best + 1
    assert len(aucs) == best + 1 + 2 < 40
    table = pq.read_table(tmp_path / "scores.parquet")
    valid = table.filter(pc.equal(table["split"], "valid"))
    auc = roc_auc_score(valid["buyer"].to_numpy(), valid["score"].to_numpy())
    assert auc == pytest.approx(aucs[best], abs=1e-9)


@pytest.mark.parametrize(
    ("model", "batch_size"), [pytest.param("gru", 64, marks=pytest.mark.slow), ("gradient_boosting", None)]
)
def test_the_description_holds_the_spec_and_what_scoring_needs(model, batch_size, tmp_path):
    windows = random_splits(tmp_path, np.random.default_rng(7), train=150, valid=150, test=20)
    spec = train_spec(model)
    train_to(tmp_path, windows, spec)
    description = ModelDescription.read(tmp_path / "model/model.json")
    assert (description.model, description.settings) == (model, spec.settings)
    assert (description.target, description.outputs, description.prefixes) == ("buyer", 2, True)
    assert (description.sizes, description.length, description.roots) == (SIZES, LENGTH, [])
    assert description.batch_size == batch_size and description.calibration is not None
    assert (tmp_path / "model/encoder.json").read_bytes() == (windows / "encoder.json").read_bytes()
    assert not (tmp_path / "resume").exists()


def test_scores_hold_every_session_once_per_step(planted, tmp_path):
    fit(planted, tmp_path, "gradient_boosting")
    table = pq.read_table(tmp_path / "scores.parquet")
    lengths = {row["session_id"]: row["events"] for row in pq.read_table(planted / "test").to_pylist()}
    for step in (0, 1, 2):
        rows = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], step)))
        expected = sorted(name for name, length in lengths.items() if length >= step)
        assert sorted(rows["session_id"].to_pylist()) == expected
    assert table.filter(pc.equal(table["split"], "valid"))["steps"].unique().to_pylist() == [0]


@pytest.mark.slow
def test_a_long_session_is_scored_on_its_own_first_events(tmp_path):
    """Its window shows only its end; after two steps it scores as a session with the same first events."""
    rng = np.random.default_rng(6)
    rows = {
        split: random_windows(200, rng, prefix=split, longest=LENGTH) for split in ("train", "valid", "test")
    }
    short = window("short", 0, [5, 6, 7])
    long, prefix = (window("long", 0, items) | {"events": 9} for items in ([20, 8, 25, 11], [5, 6, 30, 30]))
    rows["test"] += [short, long]
    windows = write_windows(tmp_path / "windows", length=LENGTH, test_prefixes=[prefix], **rows)
    fit(windows, tmp_path, "gru", epochs=8, patience=8)
    scores = {
        (row["session_id"], row["steps"]): row["score"]
        for row in pq.read_table(tmp_path / "scores.parquet").to_pylist()
        if row["session_id"] in ("short", "long")
    }
    assert sorted(scores) == [(name, step) for name in ("long", "short") for step in (0, 1, 2)]
    assert scores["long", 2] == pytest.approx(scores["short", 2], abs=1e-6)
    assert scores["long", 0] != pytest.approx(scores["short", 0], abs=1e-4)


def buyerless(folder: Path, split: str) -> Path:
    """Return windows of random sessions, none of which buys in a split."""
    rng = np.random.default_rng(4)
    rows = {name: random_windows(50, rng, prefix=name) for name in ("train", "valid", "test")}
    for row in rows[split]:
        row["buyer"] = 0
    return write_windows(folder / "windows", **rows)


def test_a_train_split_without_a_buyer_is_refused(tmp_path):
    with pytest.raises(UserError, match="train has 50 sessions and no buyer"):
        fit(buyerless(tmp_path, "train"), tmp_path, "gru")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("model", [pytest.param("gru", marks=pytest.mark.slow), "gradient_boosting"])
def test_a_valid_split_without_a_buyer_stops_training_by_its_loss(model, tmp_path):
    """There is no AUC and no calibration on valid, but there are scores."""
    history = fit(buyerless(tmp_path, "valid"), tmp_path, model)
    assert all(epoch.valid_auc is None for epoch in history.epochs)
    losses = {epoch.epoch: epoch.valid_loss for epoch in history.epochs}
    if model == "gru":
        assert losses[history.best_epoch] == min(losses.values())
    calibration = ModelDescription.read(tmp_path / "model/model.json").calibration
    assert calibration is not None
    assert calibration.ended == calibration.running == CalibrationLine(slope=1.0, intercept=0.0)
    assert np.isfinite(ended_test_sessions(tmp_path)[1]).all()


def test_an_unknown_model_is_named_with_its_missing_file(planted, tmp_path):
    with pytest.raises(UserError, match=r"models\.forest: .* src/rabbithole/models/forest\.py"):
        train_to(tmp_path, planted, train_spec("forest"))


def test_windows_of_another_encoding_are_refused(planted, tmp_path):
    fit(planted, tmp_path, "gradient_boosting")
    rows = random_windows(20, np.random.default_rng(5), prefix="a")
    other = write_windows(tmp_path / "other", length=LENGTH + 1, test=rows)
    with pytest.raises(UserError, match="trained for other windows"):
        score_to(tmp_path, other)


def test_a_step_beyond_the_window_is_refused(planted, tmp_path):
    fit(planted, tmp_path, "gradient_boosting")
    with pytest.raises(UserError, match=rf"evaluation\.steps: {LENGTH + 1} is not between 1 and"):
        score(
            ScoreSpec(steps=(1, LENGTH + 1)),
            checkpoint=tmp_path / "model",
            windows=planted,
            output=tmp_path / "x.parquet",
        )


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.json is missing\. Run again: rule train writes it"):
        load_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"layers": 2}, {"width": 9}])
def test_weights_of_another_network_are_refused(changed, planted, tmp_path):
    fit(planted, tmp_path, "gru")
    description = ModelDescription.read(tmp_path / "model/model.json")
    other = description.model_copy(update={"settings": description.settings | changed})
    other.write(tmp_path / "model/model.json")
    CheckpointFiles.seal(tmp_path / "model")
    with pytest.raises(UserError, match="had other weights"):
        score_to(tmp_path, planted)


def test_a_training_that_diverges_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = {
        split: random_windows(200, rng, prefix=split, longest=LENGTH) for split in ("train", "valid", "test")
    }
    windows = write_windows(tmp_path / "windows", length=LENGTH, **rows)
    spec = train_spec("gru", settings=network_settings() | {"learning_rate": 100.0})
    with pytest.raises(UserError, match="Take a smaller learning_rate"):
        train_to(tmp_path, windows, spec)
