"""The blend: its weights, its scores against those of its members, and what it refuses."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import network_settings, network_training, random_windows, train_spec, write_windows
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from rabbithole.artifacts.training import BlendWeights, History, ModelDescription
from rabbithole.errors import UserError
from rabbithole.evaluation.blend_models import blend
from rabbithole.evaluation.delong import paired_test, placements
from rabbithole.evaluation.score_sessions import MEMBERS, load_model, score
from rabbithole.io.digests import digests_of
from rabbithole.models import gradient_boosting
from rabbithole.models.blend import fit_weights
from rabbithole.models.features.steps import Prefixes
from rabbithole.serving.export import export
from rabbithole.specs.training import BlendSpec, ResumeOptions, ScoreSpec, TrainSpec
from rabbithole.training.train import train
from rabbithole.windows.arrays import read_encoding, read_split, take

OWN_FILE = """
from sklearn.dummy import DummyClassifier
from rabbithole.models.estimators import AggregateModel
from rabbithole.models.settings import ModelSettings


class Settings(ModelSettings):
    pass


class Model(AggregateModel):
    def __init__(self, settings, *, seed):
        super().__init__(DummyClassifier(strategy="prior"), seed=seed)
"""


def views(count: int, noises: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated log odds of models that see the truth through noise of their own, and labels."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.5, count)
    noisy = [truth + rng.normal(0, noise, count) for noise in noises]
    calibrated = [
        -1 + (view + 1) * 1.5**2 / (1.5**2 + noise**2) for view, noise in zip(noisy, noises, strict=True)
    ]
    return np.stack(calibrated)[:, None], (rng.random(count) < expit(truth)).astype(np.int8)


def test_a_model_weighs_what_it_adds() -> None:
    log_odds, buyer = views(5000, [0.5, 1.5, 1.5])
    log_odds = np.concatenate([log_odds, np.random.default_rng(1).normal(size=(1, 1, 5000))])
    weights = fit_weights(log_odds, buyer)
    assert weights.sum() == pytest.approx(1) and weights.min() >= 0
    assert weights[0] > 0.5 > weights[1:3].max() > weights[3] and weights[3] < 0.1
    assert weights[1] == pytest.approx(weights[2], abs=0.1)


def test_few_buyers_leave_the_weights_close_to_equal() -> None:
    log_odds, buyer = views(40, [1.0, 1.0, 1.0])
    assert np.abs(fit_weights(log_odds, buyer) - 1 / 3).max() < 0.2
    same = np.repeat(log_odds[:1], 4, axis=0)
    np.testing.assert_allclose(fit_weights(same, buyer), 0.25, atol=1e-6)


def test_steps_without_a_class_have_equal_weights() -> None:
    log_odds, _ = views(30, [1.0, 2.0])
    assert fit_weights(log_odds, np.zeros(30, np.int8)).tolist() == [0.5, 0.5]
    assert fit_weights(log_odds[:, :0], np.ones(30, np.int8)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("noises", [[0.5, 3.0], [1.0, 1.0, 1.0], [0.3, 2.0, 2.0, 6.0]])
@pytest.mark.parametrize(("buyers", "most"), [(15, 0.03), (200, 0.01)])
def test_the_blend_is_not_worse_than_the_best_beyond_chance(
    noises: list[float], buyers: int, most: float
) -> None:
    """Weights of a small valid, on a large test: a model that is best by far, equals, and useless ones.

    An AUC of 15 buyers has a standard error of .07, so a loss of .03 is far within chance.
    """
    valid, labels = views(3 * buyers, noises, seed=1)
    test, truth = views(50_000, noises, seed=2)
    blended = np.tensordot(fit_weights(valid, labels), test[:, 0], 1)
    best = max((roc_auc_score(truth, scores), number) for number, scores in enumerate(test[:, 0]))[1]
    difference = paired_test(placements(truth, blended), placements(truth, test[best, 0]))
    assert difference.low > -most
    if noises == [1.0, 1.0, 1.0]:
        assert difference.low > 0.01


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Return windows, and the checkpoints of a network, of trees and of a model in a file of its own."""
    folder, rng = tmp_path_factory.mktemp("members"), np.random.default_rng(0)
    splits = {
        split: random_windows(count, rng, prefix=split, longest=6)
        for split, count in (("train", 600), ("valid", 300), ("test", 400))
    }
    windows = write_windows(folder / "windows", length=8, **splits)
    own = folder / "mine.py"
    own.write_text(OWN_FILE)
    gru = train_spec("gru", settings=network_settings(), training=network_training(epochs=3, patience=3))
    trees = train_spec("gradient_boosting")
    mine = TrainSpec.model_validate({**trees.model_dump(), "model": "mine", "settings": {}})
    checkpoints = {}
    for spec, file in ((gru, None), (trees, None), (mine, own)):
        checkpoints[spec.model] = folder / spec.model
        train(
            spec,
            windows=windows,
            output=checkpoints[spec.model],
            history=folder / f"{spec.model}.json",
            code="",
            resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
            file=file,
        )
    return windows, checkpoints


def blend_to(folder: Path, windows: Path, checkpoints: dict[str, Path]) -> Path:
    spec = BlendSpec(model="blend", settings={})
    blend(
        spec,
        members=checkpoints,
        windows=windows,
        output=folder / "blend",
        history=folder / "history.json",
    )
    return folder / "blend"


def ended(folder: Path, checkpoint: Path, windows: Path) -> tuple[np.ndarray, np.ndarray]:
    """Score into a folder; return labels and scores of test's ended sessions."""
    output = folder / f"{checkpoint.name}.parquet"
    score(ScoreSpec(steps=(1, 2)), checkpoint=checkpoint, windows=windows, output=output)
    table = pq.read_table(output)
    assert set(table["steps"].to_pylist()) == {0, 1, 2}
    table = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    return table["buyer"].to_numpy(), table["score"].to_numpy()


@pytest.mark.slow
def test_a_blend_scores_like_any_model_and_needs_no_other_folder(
    members: tuple[Path, dict[str, Path]], tmp_path: Path
) -> None:
    windows, checkpoints = members
    kept = {name: shutil.copytree(path, tmp_path / name) for name, path in checkpoints.items()}
    checkpoint = blend_to(tmp_path, windows, kept)
    for path in kept.values():
        shutil.rmtree(path)
    labels, scores = ended(tmp_path, checkpoint, windows)
    singles = {
        name: roc_auc_score(labels, ended(tmp_path, path, windows)[1]) for name, path in checkpoints.items()
    }
    assert roc_auc_score(labels, scores) > max(singles.values()) - 0.01
    assert 0.8 < scores.mean() / labels.mean() < 1.25
    weights = BlendWeights.read(checkpoint / "blend.json")
    assert sorted(weights.ended) == sorted(checkpoints)
    assert sum(weights.ended.values()) == pytest.approx(1) == sum(weights.running.values())
    assert sorted(path.name for path in (checkpoint / MEMBERS).iterdir()) == sorted(checkpoints)
    assert History.read(tmp_path / "history.json").epochs[0].valid_auc > 0.7


@pytest.mark.slow
def test_the_same_members_give_the_same_files(members: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    windows, checkpoints = members
    folders = [blend_to(tmp_path / name, windows, checkpoints) for name in "ab"]
    for file in ("blend.json", "model.json"):
        first, second = ((folder / file).read_bytes() for folder in folders)
        assert first == second


def test_a_blend_of_blends_of_one_model_is_that_model(
    members: tuple[Path, dict[str, Path]], tmp_path: Path
) -> None:
    """Two copies of one model share the weight, and their mean is the model, up to the calibration."""
    windows, checkpoints = members
    trees = checkpoints["gradient_boosting"]
    checkpoint = blend_to(tmp_path, windows, {"first": trees, "second": trees})
    _, single = ended(tmp_path, trees, windows)
    _, both = ended(tmp_path, checkpoint, windows)
    assert (np.argsort(both, kind="stable") == np.argsort(single, kind="stable")).all()


def test_a_member_of_other_windows_is_refused(members: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    windows, checkpoints = members
    shutil.copytree(checkpoints["gru"], tmp_path / "gru")
    file = tmp_path / "gru/model.json"
    description = ModelDescription.read(file)
    description.model_copy(update={"length": 7}).write(file)
    with pytest.raises(UserError, match=r"was trained for other windows than .*: train it again"):
        blend_to(tmp_path, windows, {**checkpoints, "gru": tmp_path / "gru"})
    description.model_copy(update={"target": "next_event", "calibration": None}).write(file)
    with pytest.raises(UserError, match="predicts next events, not buyers"):
        load_model(tmp_path / "gru")


def packaged(folder: Path, checkpoint: Path) -> Any:
    """Return a stand-in for a model folder around a checkpoint."""
    (folder / "CARD.md").write_text("card")
    return SimpleNamespace(path=folder, checkpoint=checkpoint, manifest=SimpleNamespace(digest="d"))


def test_an_exported_blend_gives_its_log_odds_without_its_checkpoint(
    members: tuple[Path, dict[str, Path]], tmp_path: Path
) -> None:
    windows, checkpoints = members
    own = {name: checkpoints[name] for name in ("gru", "gradient_boosting")}
    checkpoint = blend_to(tmp_path, windows, own)
    export(packaged(tmp_path, checkpoint), "onnx", tmp_path / "exported")
    sums = [line.split("  ") for line in (tmp_path / "exported" / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in sums} == digests_of(
        tmp_path / "exported", without=["SHA256SUMS"]
    )
    test = read_split(windows, "test", read_encoding(windows))
    # Sessions of one length need no padding.
    some = take(test, np.flatnonzero(test.lengths == 4))
    codes = some.codes.reshape(len(some), 4, -1)
    numbers = some.numbers.reshape(len(some), 4, -1)
    trees = gradient_boosting.Model.load(own["gradient_boosting"])
    features = trees.matrix(some, Prefixes(np.arange(len(some)), some.lengths))
    # The last feature: no session runs.
    features = np.pad(features, ((0, 0), (0, 1)))
    inputs = {"gru": {"codes": codes, "numbers": numbers}, "gradient_boosting": {"features": features}}
    whole = json.loads((tmp_path / "exported/export.json").read_text())
    total = np.zeros(len(some))
    for name, weight in whole["ended"].items():
        folder = tmp_path / "exported/members" / name
        about = json.loads((folder / "export.json").read_text())
        logits = onnxruntime.InferenceSession(folder / "model.onnx").run(None, inputs[name])[0]
        ended = logits[:, -1, about["ended_column"]] if name == "gru" else logits
        line = about["calibration"]["ended"]
        total += weight * (line["slope"] * ended + line["intercept"])
    line = whole["calibration"]["ended"]
    (expected,) = load_model(checkpoint)(some, [0])
    np.testing.assert_allclose(line["slope"] * total + line["intercept"], expected, atol=1e-4)


def test_a_blend_is_not_exported_if_a_member_does_not_fit_the_format(
    members: tuple[Path, dict[str, Path]], tmp_path: Path
) -> None:
    windows, checkpoints = members
    folder = packaged(tmp_path, blend_to(tmp_path, windows, checkpoints))
    with pytest.raises(UserError, match="mine cannot be written as ONNX"):
        export(folder, "onnx", tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
