"""A training that is killed goes on from its last checkpoint, and ends as if nothing had been."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from window_fixtures import random_sessions, write_windows

from rabbithole.training.checkpoints import FILES, ResumeCheckpoints
from rabbithole.training.loop import TrainingProgress
from rabbithole.training.score import score
from rabbithole.training.train import train
from rabbithole.training.train_step import TrainState

PROGRAM = """
import json, sys
from pathlib import Path
from rabbithole.training.train import train

settings, windows, folder = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
train(
    **settings,
    windows=windows,
    output=folder / "model",
    history=folder / "history.json",
    resume=folder / "resume",
)
"""
SETTINGS: dict[str, Any] = {
    "model": "gru",
    "settings": {
        "embedding_width": 4,
        "width": 4,
        "layers": 1,
        "dropout": 0.1,
        "learning_rate": 0.01,
        "weight_decay": 0.0001,
    },
    "training": {"batch_size": 32, "epochs": 2, "patience": 2, "unseen_share": 0.01},
    "balance": "undersample",
    "augmentation": {"prefixes": True, "event_dropout": 0.1},
    "seed": 0,
    "code": "",
    # A state is saved after every batch.
    "checkpoint_minutes": 0.0,
}


CONVOLUTION: dict[str, Any] = {
    "model": "dilated_conv",
    "settings": {**SETTINGS["settings"], "width": 8},
    "training": {**SETTINGS["training"], "epochs": 1},
}
"""What the convolution changes of `SETTINGS`; one epoch, as the loop is the same."""


def learn(windows: Path, folder: Path, **changed: Any) -> None:
    """Train into `folder`, in this process."""
    places = {
        "output": folder / "model",
        "history": folder / "history.json",
        "resume": folder / "resume",
    }
    train(**SETTINGS | places | changed, windows=windows)


def outcome(windows: Path, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of a training's scores, and its history but for the seconds."""
    score(checkpoint=folder / "model", windows=windows, steps=[1], output=folder / "scores.parquet")
    history: dict[str, Any] = json.loads((folder / "history.json").read_text())
    del history["seconds"]
    return (folder / "scores.parquet").read_bytes(), history


def agree(one: tuple[bytes, dict[str, Any]], other: tuple[bytes, dict[str, Any]]) -> bool:
    """Return whether two outcomes are the same: to the byte on a processor, else about."""
    return one == other if jax.default_backend() == "cpu" else close(one, other)


def close(one: tuple[bytes, dict[str, Any]], other: tuple[bytes, dict[str, Any]]) -> bool:
    """Return whether two outcomes are the same within a relative 1e-5."""
    scores = [pq.read_table(io.BytesIO(found[0]))["score"].to_numpy() for found in (one, other)]
    figures = [[list(row.values()) for row in found[1]["epochs"]] for found in (one, other)]
    return np.allclose(*scores, rtol=1e-5) and np.allclose(*figures, rtol=1e-5)


def windows_of(folder: Path, seed: int) -> Path:
    """Write windows whose train makes about seven batches an epoch."""
    rng = np.random.default_rng(seed)
    rows = {
        split: random_sessions(count, rng, prefix=split, longest=4)
        for split, count in (("train", 300), ("valid", 100), ("test", 100))
    }
    return write_windows(folder / "windows", length=4, **rows)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows to learn from."""
    return windows_of(tmp_path_factory.mktemp("data"), 0)


@pytest.fixture(scope="module")
def unbroken(windows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """Return what a training comes to that is left alone."""
    return left_alone(windows, tmp_path_factory.mktemp("unbroken"))


def left_alone(windows: Path, folder: Path, **changed: Any) -> tuple[bytes, dict[str, Any]]:
    """Return what a training comes to that saves nothing on the way."""
    learn(windows, folder, checkpoint_minutes=60.0, **changed)
    return outcome(windows, folder)


def kept(folder: Path) -> tuple[int, ...]:
    """Return epochs and batches done of the last state kept below `folder`; -1 where there is none."""
    found = (folder / "resume").glob("*/[0-9]*")
    return max((tuple(map(int, path.name.split("-"))) for path in found), default=(-1, -1))


def started(windows: Path, folder: Path, devices: int = 1, **changed: Any) -> "subprocess.Popen[str]":
    """Train into `folder` in a process of its own, whose processor counts as so many devices."""
    folder.mkdir(exist_ok=True)
    environment = {"JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir}
    if devices > 1:
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(SETTINGS | changed), str(windows), str(folder)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]", moment: Callable[[], bool]) -> None:
    """Kill a training at the moment given."""
    killed = False
    while not killed:
        assert process.poll() is None, "the training ended before it was killed"
        time.sleep(0.001)
        if moment():
            # Held still, it can't have gone beyond the moment when it is killed.
            process.send_signal(signal.SIGSTOP)
            killed = moment()
            process.send_signal(signal.SIGKILL if killed else signal.SIGCONT)
    process.communicate(timeout=60)


@pytest.mark.parametrize("when", ["within an epoch", "after an epoch", "while a state is written"])
def test_a_killed_training_ends_as_one_left_alone(
    when: str,
    windows: Path,
    unbroken: tuple[bytes, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "killed"
    batch = int(np.random.default_rng(0).integers(2, 5))

    def moment() -> bool:
        epoch, place = kept(folder)
        if when == "within an epoch":
            return epoch >= 1 and place >= batch
        if when == "after an epoch":
            return epoch >= 1 and place == 0
        return place >= batch and any((folder / "resume").glob("*/.*.partial"))

    kill(started(windows, folder), moment)
    epoch, place = kept(folder)
    learn(windows, folder)
    assert f"gru: continues from epoch {epoch + 1}, batch {place + 1}\n" in capsys.readouterr().out
    assert agree(outcome(windows, folder), unbroken)
    assert sorted(path.name for path in folder.iterdir()) == ["history.json", "model", "scores.parquet"]


def test_a_killed_convolution_ends_as_one_left_alone(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = left_alone(windows, tmp_path / "unbroken", **CONVOLUTION)
    folder = tmp_path / "killed"
    kill(started(windows, folder, **CONVOLUTION), lambda: (0, 3) <= kept(folder) < (1, 0))
    place = kept(folder)[1]
    learn(windows, folder, **CONVOLUTION)
    assert f"dilated_conv: continues from epoch 1, batch {place + 1}\n" in capsys.readouterr().out
    assert agree(outcome(windows, folder), expected)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="a processor can be made to count as several")
def test_several_devices_go_on_as_one_that_was_left_alone(windows: Path, tmp_path: Path) -> None:
    """They add up their shares in an order of their own: within the tolerance, not to the byte."""
    # Each draws units to drop of its own.
    how = {"settings": SETTINGS["settings"] | {"dropout": 0.0}}
    expected = left_alone(windows, tmp_path / "alone", **how)
    folder = tmp_path / "killed"
    kill(started(windows, folder, 2, **how), lambda: kept(folder) >= (1, 2))
    epoch, place = kept(folder)
    process = started(windows, folder, 2, **how)
    try:
        told = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    assert f"gru: continues from epoch {epoch + 1}, batch {place + 1}\n" in told
    assert close(outcome(windows, folder), expected)


def test_a_changed_setting_begins_anew(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left behind: the last state of a training that could not write its history."""
    short = {"training": SETTINGS["training"] | {"epochs": 1}}
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        learn(windows, tmp_path, history=tmp_path / "file/history.json", **short)
    often = short | {"checkpoint_minutes": 60.0}
    slower = {"settings": SETTINGS["settings"] | {"learning_rate": 0.005}}
    for changed in ({"seed": 1}, {"code": "another"}, slower, {"windows": windows_of(tmp_path / "other", 1)}):
        learn(**{"windows": windows, "folder": tmp_path} | often | changed)
        assert "continues" not in capsys.readouterr().out
    learn(windows, tmp_path, **often)
    assert "gru: continues from epoch 2, batch 1\n" in capsys.readouterr().out
    assert not (tmp_path / "resume").exists()


def state(place: int) -> TrainingProgress:
    """Return a state whose arrays tell its place."""
    table = jnp.full((50, 4), place, jnp.float32)
    learned = TrainState({"w": table}, table, (table,), (table,), jnp.int32(place), jnp.zeros(2))
    rows = [{"epoch": 1, "loss": 0.1 + 0.2, "valid_auc": 2 / 3}]
    return TrainingProgress(learned, ({"w": table}, table), 1, 1, place, rows, [0.1])


@pytest.mark.parametrize("damage", ["a byte", "an end", "a file"])
def test_a_damaged_state_is_passed_over(damage: str, tmp_path: Path) -> None:
    checkpoints = ResumeCheckpoints(tmp_path / "resume/digest", minutes=0.0)
    checkpoints.save(state(1))
    shutil.copytree(checkpoints.folder, tmp_path / "older")
    checkpoints.save(state(2))
    shutil.copytree(tmp_path / "older", checkpoints.folder, dirs_exist_ok=True)
    older, newer = sorted(checkpoints.folder.iterdir())
    for broken, expected in ((None, 2), (newer, 1), (older, None)):
        if broken is not None:
            spoil(broken, damage)
        found = checkpoints.load(state(0))
        if expected is None:
            assert found is None
        else:
            assert found is not None
            assert jax.tree.all(jax.tree.map(np.array_equal, vars(found)["state"], state(expected).state))
            assert (found.rows, found.seconds) == (state(expected).rows, state(expected).seconds)
            assert (found.epoch, found.batch, found.best_epoch) == (1, expected, 1)


def spoil(folder: Path, damage: str) -> None:
    """Damage the largest of a state's files; their list without its last line end would say the same."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / FILES)
    file = max(files, key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    if damage == "a byte":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "an end":
        file.write_bytes(content[:-1])
    else:
        file.unlink()
