"""Models in files outside the package: they are trained and scored from the checkpoint, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs_pages import ROOT
from factories import network_settings, network_training, random_windows, train_spec, write_windows
from model_pages import documented_files

from rabbithole.artifacts.training import CheckpointFiles, History, ModelDescription
from rabbithole.errors import UserError, error_in_own_model
from rabbithole.evaluation.score_sessions import load_model, score
from rabbithole.specs.training import EstimatorTraining, ResumeOptions, ScoreSpec
from rabbithole.training.train import train
from rabbithole.windows.arrays import read_encoding, read_split

LENGTH = 4

ESTIMATOR = """
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from rabbithole.models.estimators import AggregateModel
from rabbithole.models.settings import ModelSettings


class LengthRule(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.share_ = float(y.mean())
        return self

    def predict_proba(self, X):
        buyer = np.where(X[:, 0] > 2, 1.0, self.share_)
        return np.stack([1 - buyer, buyer], axis=1)


class Settings(ModelSettings):
    pass


class Model(AggregateModel):
    trusted_types = (TRUSTED)

    def __init__(self, settings, *, seed):
        super().__init__(ESTIMATOR, seed=seed)
"""

NETWORK = """
import jax.numpy as jnp
from flax import nnx
from rabbithole.models.layers import StepHead
from rabbithole.models.settings import NetworkSettings


class Settings(NetworkSettings):
    pass


class Model(nnx.Module):
    def __init__(self, settings, shape, *, rngs):
        self.embedding = shape.embedding(settings.embedding_width, rngs=rngs)
        self.head = StepHead(self.embedding.features, 4, shape.outputs, rngs=rngs)

    def __call__(self, codes, numbers, key=None):
        values = self.embedding(codes, numbers, time_axis=1)
        return self.head(values)
"""

NETWORK_SETTINGS = {
    key: network_settings()[key] for key in ("embedding_width", "learning_rate", "weight_decay")
}


def estimator_file(estimator: str, trusted: str = "") -> str:
    """Return a file whose model is this estimator; trusted: types, each followed by a comma."""
    return ESTIMATOR.replace("__init__(ESTIMATOR", f"__init__({estimator}").replace("TRUSTED", trusted)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows of random sessions."""
    rng = np.random.default_rng(0)
    rows = {
        name: random_windows(150, rng, prefix=name, longest=LENGTH) for name in ("train", "valid", "test")
    }
    return write_windows(tmp_path_factory.mktemp("windows") / "windows", length=LENGTH, **rows)


def fit(windows: Path, folder: Path, text: str, settings: dict[str, Any], **changes: Any) -> None:
    """Train a file with this text into `folder`/model, and remove the file."""
    file = folder / "mine.py"
    file.write_text(text)
    network = "nnx.Module" in text
    training = network_training(epochs=1) if network else EstimatorTraining(unseen_share=0.01)
    train(
        train_spec("mine", settings=settings, training=training, **changes),
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        code="",
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
        file=file,
    )
    file.unlink()


def scores(windows: Path, folder: Path) -> bytes:
    """Score with the checkpoint alone."""
    output = folder / "scores.parquet"
    score(ScoreSpec(steps=(1, 2)), checkpoint=folder / "model", windows=windows, output=output)
    return output.read_bytes()


def test_the_documented_network_is_the_package_s_lstm() -> None:
    assert documented_files()["my_lstm.py"] == (ROOT / "src/rabbithole/models/lstm.py").read_text()
    assert all(text.count("\n") < 40 for text in documented_files().values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logistic.py", "my_lstm.py"])
def test_a_documented_file_is_trained_and_its_copy_scores(name: str, windows: Path, tmp_path: Path) -> None:
    settings = {"logistic.py": {"penalty": 2.0}, "my_lstm.py": network_settings()}[name]
    fit(windows, tmp_path, documented_files()[name], settings)
    description = ModelDescription.read(tmp_path / "model/model.json")
    assert (description.settings, description.file) == (settings, "mine.py")
    assert scores(windows, tmp_path) == scores(windows, tmp_path)
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("estimator", "trusted"),
    [
        ("LengthRule()", ""),
        ("RandomForestClassifier(10, random_state=seed)", '"sklearn.tree._tree.Tree",'),
        ("make_pipeline(DummyClassifier(strategy='prior'))", ""),
    ],
    ids=["a class of the file's own, without weights", "probabilities of 0 and 1", "a pipeline with weights"],
)
def test_any_estimator_is_fitted_saved_and_read_again(
    estimator: str, trusted: str, windows: Path, tmp_path: Path
) -> None:
    fit(windows, tmp_path, estimator_file(estimator, trusted), {})
    (row,) = History.read(tmp_path / "history.json").epochs
    assert np.isfinite([row.loss, row.valid_loss, row.valid_auc]).all()
    scores(windows, tmp_path)


def test_rows_are_weighted_also_without_an_argument_for_weights(windows: Path, tmp_path: Path) -> None:
    """With balanced weights, half of all weight is the buyers', of whom there are fewer."""
    ends = {"prefixes": False, "event_dropout": 0.0}
    buyers = read_split(windows, "train", read_encoding(windows)).buyer
    shares = [buyers.mean()]
    for name, estimator in (("weights", "DummyClassifier(strategy='prior')"), ("none", "LengthRule()")):
        folder = tmp_path / name
        folder.mkdir()
        fit(windows, folder, estimator_file(estimator), {}, balance="class_weight", augmentation=ends)
        fitted = load_estimator(folder)
        shares.append(fitted.class_prior_[1] if name == "weights" else fitted.share_)
    assert shares == [0.24, pytest.approx(0.5), pytest.approx(0.5, abs=0.1)]


def load_estimator(folder: Path) -> Any:
    """Return the fitted estimator of a checkpoint."""
    from rabbithole.models.registry import checkpoint_code

    code = checkpoint_code(folder / "model", ModelDescription.read(folder / "model/model.json"))
    return code.model.load(folder / "model").estimator


def changed(old: str, new: str, text: str = NETWORK) -> str:
    """Return the text with one part changed."""
    assert old in text
    return text.replace(old, new)


MISTAKES = {
    "an import that is missing": (
        changed("import jax.numpy as jnp", "import no_such_library"),
        r"mine\.py:2: ModuleNotFoundError: No module named 'no_such_library'",
    ),
    "a class without a head": (changed("self.head =", "self.tail ="), "must have an attribute `head`"),
    "a base that is neither": (
        changed("Model(nnx.Module)", "Model"),
        "Model must be a subclass of nnx.Module",
    ),
    "an estimator with a network's settings": (
        estimator_file("LengthRule()").replace("ModelSettings", "NetworkSettings"),
        "the settings are a network's, so Model must be",
    ),
    "a random stream": (
        changed("        self.head", "        self.drop = nnx.Dropout(0.1, rngs=rngs)\n        self.head"),
        r"holds a Rng\w+ \(drop\.",
    ),
    "logits of the last step only": (
        changed("self.head(values)", "self.head(values)[:, -1]"),
        r"returns shape \(4, 2\) .* must return logits of shape \(4, 4, 2\)",
    ),
    "a look ahead": (changed("self.head(values)", "self.head(values[:, ::-1])"), "Model is not causal"),
    "a division by zero": (
        changed("self.head(values)", "self.head(values) / jnp.zeros(())"),
        rf"mine\.py:{NETWORK.splitlines().index('class Model(nnx.Module):') + 1}: "
        r"the network's outputs are not finite\. Take a smaller learning_rate",
    ),
    "a type that skops does not trust": (
        estimator_file("RandomForestClassifier(10, random_state=seed)"),
        r"holds sklearn\.tree\._tree\.Tree\. .* `trusted_types = \(\"sklearn\.tree\._tree\.Tree\",\)`",
    ),
    "no probabilities": (
        estimator_file("LengthRule").replace("predict_proba", "predict"),
        "neither decision_function nor predict_proba",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_model_that_cannot_be_trained_is_refused_in_a_sentence(
    mistake: str, windows: Path, tmp_path: Path
) -> None:
    text, message = MISTAKES[mistake]
    settings = NETWORK_SETTINGS if "NetworkSettings" in text else {}
    with pytest.raises(UserError, match=message) as error:
        fit(windows, tmp_path, text, settings)
    assert f"{tmp_path}/mine.py" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_an_error_while_a_model_runs_is_traced_to_its_line(windows: Path, tmp_path: Path) -> None:
    text = changed("return self.head(values)", "return self.head(values) @ values")
    with pytest.raises(Exception) as error:
        fit(windows, tmp_path, text, NETWORK_SETTINGS)
    mistake = error_in_own_model(error.value)
    line = text.splitlines().index("        return self.head(values) @ values") + 1
    assert str(mistake).startswith(f"{tmp_path}/mine.py:{line}: TypeError: ")
    assert error_in_own_model(ValueError("elsewhere")) is None


def test_an_estimator_does_not_learn_the_next_event(windows: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an estimator supports the target `buyer` only"):
        fit(windows, tmp_path, estimator_file("LengthRule()"), {}, target="next_event")


def test_a_checkpoint_with_other_settings_than_its_file_s_is_refused(windows: Path, tmp_path: Path) -> None:
    fit(windows, tmp_path, estimator_file("LengthRule()"), {})
    description = ModelDescription.read(tmp_path / "model/model.json")
    changed = description.model_copy(update={"settings": {**description.settings, "depth": 3}})
    changed.write(tmp_path / "model/model.json")
    CheckpointFiles.seal(tmp_path / "model")
    with pytest.raises(UserError, match=r"mine\.py: its settings do not fit: depth: Extra inputs"):
        load_model(tmp_path / "model")
