"""Whole trainings on small windows: what is learned, what is kept, what a user is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from window_fixtures import SIZES, random_sessions, session, write_windows

from rabbithole.errors import UserError
from rabbithole.evaluation.delong import interval, placements
from rabbithole.training.score import score
from rabbithole.training.train import train

MODELS: dict[str, dict[str, Any]] = {
    "gru": {"width": 8},
    "dilated_conv": {"width": 8},
    "gradient_boosting": {"learning_rate": 0.1, "iterations": 60, "leaves": 8},
}
NETWORK = {
    "embedding_width": 4,
    "width": 8,
    "layers": 1,
    "dropout": 0.1,
    "learning_rate": 0.01,
    "weight_decay": 0.0001,
}
LENGTH = 4


def fit(
    windows: Path,
    folder: Path,
    model: str,
    *,
    balance: str = "none",
    **training: Any,
) -> dict[str, Any]:
    """Train into `folder`/model, score into `folder`/scores.parquet and return the history."""
    settings = MODELS[model] if model == "gradient_boosting" else NETWORK | MODELS[model]
    train(
        model=model,
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        settings=settings,
        training={"batch_size": 64, "epochs": 2, "patience": 2, "unseen_share": 0.01} | training,
        balance=balance,
        augmentation={"prefixes": True, "event_dropout": 0.0},
        seed=0,
        code="",
        resume=folder / "resume",
        checkpoint_minutes=5,
    )
    score(
        checkpoint=folder / "model",
        windows=windows,
        steps=[1, 2],
        output=folder / "scores.parquet",
    )
    history: dict[str, Any] = json.loads((folder / "history.json").read_text())
    return history


def ended(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of test's ended sessions."""
    table = pq.read_table(folder / "scores.parquet")
    table = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    return table["buyer"].to_numpy(), table["score"].to_numpy()


def signed(
    count: int, rng: np.random.Generator, prefix: str, *, signs: float, chances: tuple[float, float]
) -> list[dict[str, Any]]:
    """Return sessions of which a share begins with a sign; chances: of buying without it, and with it."""
    rows = []
    for number in range(count):
        sign = rng.random() < signs
        steps = int(rng.integers(1, LENGTH + 1))
        events = [5 if sign else 4] + [4] * (steps - 1)
        items = rng.integers(4, 20, steps).tolist()
        buyer = int(rng.random() < chances[int(sign)])
        rows.append(session(f"{prefix}{number:05d}", buyer, items, event=events))
    return rows


def signed_windows(folder: Path, *, signs: float, chances: tuple[float, float]) -> Path:
    """Write windows of such sessions."""
    rng = np.random.default_rng(0)
    rows = {
        split: signed(count, rng, split, signs=signs, chances=chances)
        for split, count in (("train", 12000), ("valid", 1000), ("test", 3000))
    }
    return write_windows(folder / "windows", length=LENGTH, **rows)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows in which a sign in the first step makes a buyer four times in five."""
    return signed_windows(tmp_path_factory.mktemp("planted"), signs=0.4, chances=(0.1, 0.8))


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows with 5 buyers in a hundred sessions; as trained on even classes, scores would say 50."""
    return signed_windows(tmp_path_factory.mktemp("rare"), signs=0.1, chances=(0.02, 0.3))


@pytest.mark.parametrize("model", MODELS)
def test_a_planted_sign_is_found_and_told_in_true_probabilities(model, planted, tmp_path):
    history = fit(planted, tmp_path, model)
    labels, scores = ended(tmp_path)
    # The best that can be done: 0.8 and 0.1 by the sign alone.
    assert roc_auc_score(labels, scores) > 0.8
    assert abs(scores.mean() - labels.mean()) < 0.04
    assert history["best_epoch"] >= 1
    running = pq.read_table(tmp_path / "scores.parquet")
    running = running.filter(pc.equal(running["steps"], 2))
    assert roc_auc_score(running["buyer"].to_numpy(), running["score"].to_numpy()) > 0.8


@pytest.mark.parametrize("balance", ["undersample", "oversample", "class_weight"])
@pytest.mark.parametrize("model", ["gru", "gradient_boosting"])
def test_balancing_is_taken_back_in_the_scores(model, balance, rare, tmp_path):
    fit(rare, tmp_path, model, balance=balance, epochs=12, patience=12)
    labels, scores = ended(tmp_path)
    assert 0.7 * labels.mean() < scores.mean() < 1.4 * labels.mean()
    assert roc_auc_score(labels, scores) > 0.7


@pytest.mark.parametrize("model", MODELS)
def test_shuffled_labels_teach_nothing(model, tmp_path):
    rng = np.random.default_rng(2)
    rows = {
        split: random_sessions(count, rng, prefix=split, longest=LENGTH)
        for split, count in (("train", 1500), ("valid", 400), ("test", 1500))
    }
    for found in rows.values():
        labels = rng.permutation([row["buyer"] for row in found])
        for row, label in zip(found, labels, strict=True):
            row["buyer"] = int(label)
    fit(write_windows(tmp_path / "windows", length=LENGTH, **rows), tmp_path, model)
    labels, scores = ended(tmp_path)
    low, high = interval(placements(labels, scores), level=0.999)
    assert low < 0.5 < high


@pytest.mark.parametrize("model", ["gru", "gradient_boosting"])
def test_the_same_seed_gives_the_same_bytes(model, planted, tmp_path):
    histories = [fit(planted, tmp_path / name, model, epochs=1)["epochs"] for name in "ab"]
    assert (tmp_path / "a/scores.parquet").read_bytes() == (tmp_path / "b/scores.parquet").read_bytes()
    assert histories[0] == histories[1]


def test_where_batches_are_gathered_makes_no_difference(tmp_path, monkeypatch):
    """By the processor, or as on an accelerator; nothing is hidden, as each draws that in its own way."""
    rng = np.random.default_rng(4)
    rows = {split: random_sessions(150, rng, prefix=split, longest=4) for split in ("train", "valid", "test")}
    windows = write_windows(tmp_path / "windows", length=4, sizes=SIZES | {"item": 200}, **rows)
    monkeypatch.setattr("rabbithole.training.devices.accelerated", lambda: False)
    host = fit(windows, tmp_path / "host", "gru", unseen_share=0.0)
    monkeypatch.setattr("rabbithole.training.devices.accelerated", lambda: True)
    there = fit(windows, tmp_path / "there", "gru", unseen_share=0.0)
    for one, other in zip(host["epochs"], there["epochs"], strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    assert ended(tmp_path / "there")[1] == pytest.approx(ended(tmp_path / "host")[1], rel=1e-4)


def test_the_best_epoch_is_kept_and_patience_ends_training(tmp_path):
    """Few sessions and little to learn: after a while valid AUC gets worse."""
    rng = np.random.default_rng(3)
    rows = {
        split: random_sessions(150, rng, prefix=split, longest=LENGTH) for split in ("train", "valid", "test")
    }
    windows = write_windows(tmp_path / "windows", length=LENGTH, **rows)
    history = fit(windows, tmp_path, "gru", epochs=40, patience=2)
    aucs = [row["valid_auc"] for row in history["epochs"]]
    best = int(np.argmax(aucs))
    assert history["best_epoch"] == best + 1
    assert len(aucs) == best + 1 + 2 < 40
    table = pq.read_table(tmp_path / "scores.parquet")
    valid = table.filter(pc.equal(table["split"], "valid"))
    found = roc_auc_score(valid["buyer"].to_numpy(), valid["score"].to_numpy())
    assert found == pytest.approx(aucs[best], abs=1e-9)


def test_scores_hold_every_session_once_a_step(planted, tmp_path):
    fit(planted, tmp_path, "gradient_boosting")
    table = pq.read_table(tmp_path / "scores.parquet")
    lengths = {row["session_id"]: row["events"] for row in pq.read_table(planted / "test").to_pylist()}
    for step in (0, 1, 2):
        rows = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], step)))
        expected = sorted(name for name, length in lengths.items() if length >= step)
        assert sorted(rows["session_id"].to_pylist()) == expected
    assert table.filter(pc.equal(table["split"], "valid"))["steps"].unique().to_pylist() == [0]


def test_a_long_session_is_judged_on_its_own_beginning(tmp_path):
    """Its window shows its end alone; after two steps it scores as a session that began in the same way."""
    rng = np.random.default_rng(6)
    rows = {
        split: random_sessions(200, rng, prefix=split, longest=LENGTH) for split in ("train", "valid", "test")
    }
    short = session("short", 0, [5, 6, 7])
    long, begun = (session("long", 0, items) | {"events": 9} for items in ([20, 8, 25, 11], [5, 6, 30, 30]))
    rows["test"] += [short, long]
    windows = write_windows(tmp_path / "windows", length=LENGTH, test_beginnings=[begun], **rows)
    fit(windows, tmp_path, "gru", epochs=8, patience=8)
    found = {
        (row["session_id"], row["steps"]): row["score"]
        for row in pq.read_table(tmp_path / "scores.parquet").to_pylist()
        if row["session_id"] in ("short", "long")
    }
    assert sorted(found) == [(name, step) for name in ("long", "short") for step in (0, 1, 2)]
    assert found["long", 2] == pytest.approx(found["short", 2], abs=1e-6)
    assert found["long", 0] != pytest.approx(found["short", 0], abs=1e-4)


def test_a_split_without_a_buyer_is_refused(tmp_path):
    rng = np.random.default_rng(4)
    rows = {"train": random_sessions(50, rng, prefix="a"), "valid": random_sessions(50, rng, prefix="b")}
    for row in rows["valid"]:
        row["buyer"] = 0
    windows = write_windows(tmp_path / "windows", **rows)
    with pytest.raises(UserError, match="valid has 50 sessions and no buyer"):
        fit(windows, tmp_path, "gru")
    assert not (tmp_path / "model").exists()


def test_an_unknown_model_is_named_with_the_file_that_is_missing(planted, tmp_path):
    with pytest.raises(UserError, match=r"models\.forest: .* src/rabbithole/models/forest\.py"):
        train(
            model="forest",
            windows=planted,
            output=tmp_path / "model",
            history=tmp_path / "history.json",
            settings={},
            training={},
            balance="none",
            augmentation={},
            seed=0,
            code="",
            resume=tmp_path / "resume",
            checkpoint_minutes=5,
        )


def test_windows_of_another_encoding_are_refused(planted, tmp_path):
    fit(planted, tmp_path, "gradient_boosting")
    other = write_windows(
        tmp_path / "other", length=LENGTH + 1, test=random_sessions(20, np.random.default_rng(5), prefix="a")
    )
    with pytest.raises(UserError, match="trained for other windows"):
        score(checkpoint=tmp_path / "model", windows=other, steps=[1], output=tmp_path / "x.parquet")


@pytest.mark.parametrize("changed", [{"layers": 2}, {"width": 9}])
def test_weights_of_another_network_are_refused(changed, planted, tmp_path):
    fit(planted, tmp_path, "gru")
    described = json.loads((tmp_path / "model/model.json").read_text())
    described["settings"] |= changed
    (tmp_path / "model/model.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="had other weights"):
        score(checkpoint=tmp_path / "model", windows=planted, steps=[1], output=tmp_path / "x.parquet")
