"""A killed text training continues from its last batch, and ends as if it had not been interrupted."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rabbithole.artifacts.text import TextHistory
from rabbithole.specs.training import ResumeOptions
from rabbithole.text.checkpoint import load
from rabbithole.text.train import train_text

pytestmark = pytest.mark.slow

# Saves the third batch of the second epoch alone, as saving takes most of the time, and kills itself.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import rabbithole.text.train
import rabbithole.text.trainer
from rabbithole.specs.text import TrainTextSpec
from rabbithole.specs.training import ResumeOptions
from rabbithole.training.checkpoints import ResumeCheckpoints

class Killed(ResumeCheckpoints):
    def keep(self, progress):
        if (progress.epoch, progress.batch) == (1, 3):
            super().keep(progress)
            os.kill(os.getpid(), signal.SIGKILL)

rabbithole.text.trainer.UPDATES_PER_CALL = 4
rabbithole.text.train.ResumeCheckpoints = Killed
spec, resume, paths = sys.argv[1:]
rabbithole.text.train.train_text(
    TrainTextSpec.parse(spec),
    **{name: Path(path) for name, path in json.loads(paths).items()},
    code="",
    resume=ResumeOptions.parse(resume),
)
"""


def resume_options(folder: Path, minutes: float = 0.0) -> ResumeOptions:
    """Return options that save the progress after so many minutes, or after every batch."""
    return ResumeOptions(folder=str(folder / "resume"), minutes=minutes)


def results(folder: Path) -> tuple[bytes, list[Any], list[Any]]:
    """Return the metrics, the history without its seconds, and the weights."""
    weights = jax.tree.leaves(load(folder / "checkpoint")[0])
    history = TextHistory.read(folder / "history.json")
    assert len(history.seconds) == len(history.epochs)
    return (folder / "metrics.json").read_bytes(), history.epochs, weights


@pytest.mark.parametrize("model", ["deck", "char_gru"])
def test_a_killed_text_training_ends_like_an_uninterrupted_one(
    model, specs, line, training_paths, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, "rabbithole")
    # Batches of four updates, so that an epoch of this short text has several.
    monkeypatch.setattr("rabbithole.text.trainer.UPDATES_PER_CALL", 4)
    text = tmp_path / "book.txt"
    text.write_text(line * 40)
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
    train_text(specs[model], **training_paths(text, alone), code="", resume=resume_options(alone, 60.0))
    paths = {name: str(path) for name, path in training_paths(text, killed).items()}
    ended = subprocess.run(
        [
            sys.executable, "-c", PROGRAM,
            specs[model].to_json(), resume_options(killed).to_json(), json.dumps(paths),
        ],
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or ""},
        stdout=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in killed.iterdir()] == ["resume"]
    caplog.clear()
    train_text(specs[model], **training_paths(text, killed), code="", resume=resume_options(killed, 60.0))
    assert caplog.messages[0] == f"alice {model}: continues from epoch 2, batch 4"
    assert "epoch   1/4" not in caplog.text
    metrics, epochs, weights = results(killed)
    expected_metrics, expected_epochs, expected_weights = results(alone)
    assert metrics == expected_metrics and epochs == expected_epochs
    assert all(map(np.array_equal, weights, expected_weights))
    assert not (killed / "resume").exists()


@pytest.mark.parametrize("changed", [{"seed": 4}, {"code": "another"}, {"lower": False}])
def test_another_text_training_starts_from_the_beginning(
    changed, specs, line, training_paths, tmp_path, caplog
):
    """The last progress of a training that could not write its history stays on disk."""
    caplog.set_level(logging.INFO, "rabbithole")
    text = tmp_path / "book.txt"
    text.write_text((line * 40).capitalize())
    paths, resume = training_paths(text, tmp_path), resume_options(tmp_path)
    code = changed.pop("code", "")
    other = specs["deck"].model_copy(update=changed)
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        unwritable = paths | {"history": tmp_path / "file/history.json"}
        train_text(specs["deck"], **unwritable, code="", resume=resume)
    train_text(other, **paths, code=code, resume=resume)
    assert "continues" not in caplog.text
    train_text(specs["deck"], **paths, code="", resume=resume)
    assert "continues from epoch 5, batch 1" in caplog.text
