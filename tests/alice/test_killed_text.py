"""A text training that is killed goes on from its last batch, and ends as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rabbithole.text.checkpoint import load
from rabbithole.text.train import train_text

# Kills itself as soon as the third batch of the second epoch is kept.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import rabbithole.text.learner
import rabbithole.text.train
from rabbithole.training.checkpoints import Checkpoints

class Killed(Checkpoints):
    def keep(self, state):
        super().keep(state)
        if (state.epoch, state.batch) == (1, 3):
            os.kill(os.getpid(), signal.SIGKILL)

rabbithole.text.learner.AT_ONCE = 4
rabbithole.text.train.Checkpoints = Killed
given = json.loads(sys.argv[1])
paths = {name: Path(path) for name, path in given.pop("paths").items()}
rabbithole.text.train.train_text(**given, **paths)
"""
SETTINGS: dict[str, dict[str, Any]] = {
    "deck": {
        "window": 20, "width": 6, "dropout": 0.2, "learning_rate": 0.02, "batch_size": 64, "epochs": 4,
    },
    "char_gru": {
        "embedding_width": 4, "width": 8, "layers": 2, "embedding_dropout": 0.1, "dropout": 0.2,
        "kernel_dropout": 0.1, "learning_rate": 0.02, "weight_decay": 0.01, "batch_size": 4, "steps": 16,
        "epochs": 4,
    },
}  # fmt: skip


def arguments(model: str) -> dict[str, Any]:
    """Return what `train_text` is given but for the paths."""
    return {
        "model": model, "settings": SETTINGS[model], "lower": True, "seed": 3, "code": "",
        "checkpoint_minutes": 0.0,
    }  # fmt: skip


def paths(text: Path, folder: Path) -> dict[str, Path]:
    """Return where a training reads and writes."""
    return {
        "text": text, "output": folder / "model", "history": folder / "history.json",
        "metrics": folder / "metrics.json", "resume": folder / "resume",
    }  # fmt: skip


def outcome(folder: Path) -> tuple[bytes, list[Any], list[Any]]:
    """Return the metrics, the history but for the seconds, and the weights."""
    weights = jax.tree.leaves(load(folder / "model")[0])
    history = json.loads((folder / "history.json").read_text())
    assert len(history["seconds"]) == len(history["epochs"])
    return (folder / "metrics.json").read_bytes(), history["epochs"], weights


@pytest.mark.parametrize("model", ["deck", "char_gru"])
def test_a_killed_text_training_ends_as_one_left_alone(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A batch of four updates, so that an epoch of this little has several.
    monkeypatch.setattr("rabbithole.text.learner.AT_ONCE", 4)
    text = tmp_path / "book.txt"
    text.write_text("the cat sat on the mat; the dog ran to the log. " * 40)
    given = arguments(model)
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
    train_text(**given, **paths(text, alone))
    places = {name: str(path) for name, path in paths(text, killed).items()}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(given | {"paths": places})],
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or ""},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in killed.iterdir()] == ["resume"]
    capsys.readouterr()
    train_text(**given, **paths(text, killed))
    told = capsys.readouterr().out
    assert f"alice {model}: continues from epoch 2, batch 4\n" in told and "epoch   1/4" not in told
    metrics, epochs, weights = outcome(killed)
    expected_metrics, expected_epochs, expected_weights = outcome(alone)
    assert metrics == expected_metrics and epochs == expected_epochs
    assert all(map(np.array_equal, weights, expected_weights))
    assert not (killed / "resume").exists()


@pytest.mark.parametrize("changed", [{"seed": 4}, {"code": "another"}, {"lower": False}])
def test_another_text_training_begins_anew(
    changed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left behind: the last state of a training that could not write its history."""
    text = tmp_path / "book.txt"
    text.write_text("The cat sat on the mat; the dog ran to the log. " * 40)
    given = arguments("deck")
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        train_text(**given, **paths(text, tmp_path) | {"history": tmp_path / "file/history.json"})
    train_text(**given | changed, **paths(text, tmp_path))
    assert "continues" not in capsys.readouterr().out
    train_text(**given, **paths(text, tmp_path))
    assert "continues from epoch 5, batch 1" in capsys.readouterr().out
