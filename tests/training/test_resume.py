"""A training that is killed continues from its last saved state, and ends as if it had not been killed."""

import io
import logging
import os
import resource
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
from factories import network_settings, network_training, random_windows, train_spec, write_windows

from rabbithole.artifacts.training import CheckpointFiles, EpochMetrics, History
from rabbithole.evaluation.score_sessions import score
from rabbithole.specs.training import ResumeOptions, ScoreSpec, TrainSpec
from rabbithole.training.checkpoints import ResumeCheckpoints
from rabbithole.training.loop import TrainingProgress
from rabbithole.training.train import train
from rabbithole.training.train_step import TrainState

PROGRAM = """
import logging, sys
from pathlib import Path
from rabbithole.specs.training import ResumeOptions, TrainSpec
from rabbithole.training.train import train

logging.getLogger("rabbithole").setLevel(logging.INFO)
logging.getLogger("rabbithole").addHandler(logging.StreamHandler(sys.stdout))
spec, windows, folder = TrainSpec.parse(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
train(
    spec,
    windows=windows,
    output=folder / "model",
    history=folder / "history.json",
    code="",
    # A state is saved after every batch.
    resume=ResumeOptions(folder=str(folder / "resume"), minutes=0.0),
)
"""
SETTINGS = network_settings(width=4)
TRAINING = network_training(batch_size=32)
SPEC = train_spec(
    settings=SETTINGS,
    training=TRAINING,
    balance="undersample",
    augmentation={"prefixes": True, "event_dropout": 0.1},
)
CONVOLUTION: dict[str, Any] = {
    "model": "dilated_conv",
    "settings": network_settings(width=8),
    "training": network_training(batch_size=32, epochs=1),
}
"""What the convolution changes of `SPEC`; one epoch, as the loop is the same."""

Outcome = tuple[bytes, list[EpochMetrics]]


def changed_spec(**changes: Any) -> TrainSpec:
    """Return `SPEC` with some entries changed."""
    return SPEC.model_copy(update=changes)


def train_here(
    windows: Path,
    folder: Path,
    *,
    code: str = "",
    minutes: float = 0.0,
    history: Path | None = None,
    **changes: Any,
) -> None:
    """Train into `folder`, in this process."""
    train(
        changed_spec(**changes),
        windows=windows,
        output=folder / "model",
        history=history or folder / "history.json",
        code=code,
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=minutes),
    )


def outcome(windows: Path, folder: Path) -> Outcome:
    """Return the bytes of a training's scores, and the metrics of its epochs."""
    score(
        ScoreSpec(steps=(1,)),
        checkpoint=folder / "model",
        windows=windows,
        output=folder / "scores.parquet",
    )
    return (folder / "scores.parquet").read_bytes(), History.read(folder / "history.json").epochs


def agree(one: Outcome, other: Outcome) -> bool:
    """Return whether two outcomes are equal: to the byte on a processor, else nearly."""
    return one == other if jax.default_backend() == "cpu" else close(one, other)


def close(one: Outcome, other: Outcome) -> bool:
    """Return whether two outcomes are equal within a relative 1e-5."""
    scores = [pq.read_table(io.BytesIO(bytes_))["score"].to_numpy() for bytes_, _ in (one, other)]
    metrics = [[list(row.model_dump().values()) for row in epochs] for _, epochs in (one, other)]
    return np.allclose(*scores, rtol=1e-5) and np.allclose(*metrics, rtol=1e-5)


def small_windows(folder: Path, seed: int) -> Path:
    """Write windows whose train makes about seven batches an epoch."""
    rng = np.random.default_rng(seed)
    rows = {
        split: random_windows(count, rng, prefix=split, longest=4)
        for split, count in (("train", 300), ("valid", 100), ("test", 100))
    }
    return write_windows(folder / "windows", length=4, **rows)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return windows to train on."""
    return small_windows(tmp_path_factory.mktemp("data"), 0)


@pytest.fixture(scope="module")
def uninterrupted(windows: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return the outcome of a training that is not killed."""
    return train_uninterrupted(windows, tmp_path_factory.mktemp("uninterrupted"))


@pytest.fixture(autouse=True)
def info_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Record the log lines of trainings."""
    caplog.set_level(logging.INFO, "rabbithole")


def train_uninterrupted(windows: Path, folder: Path, **changes: Any) -> Outcome:
    """Return the outcome of a training that saves no state."""
    train_here(windows, folder, minutes=60.0, **changes)
    return outcome(windows, folder)


def last_saved(folder: Path) -> tuple[int, ...]:
    """Return the finished epochs and batches of the newest saved state; -1 where there is none."""
    states = (folder / "resume").glob("*/[0-9]*")
    return max((tuple(map(int, path.name.split("-"))) for path in states), default=(-1, -1))


def start(windows: Path, folder: Path, devices: int = 1, **changes: Any) -> "subprocess.Popen[str]":
    """Train into `folder` in another process, whose processor counts as so many devices."""
    folder.mkdir(exist_ok=True)
    # A killed process may leave half an entry, and JAX would stop caching in all that share its folder.
    environment = {"JAX_COMPILATION_CACHE_DIR": f"{jax.config.jax_compilation_cache_dir}-of-killed"}
    if devices > 1:
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, changed_spec(**changes).to_json(), str(windows), str(folder)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]", moment: Callable[[], bool]) -> None:
    """Kill a training at a moment."""
    killed = False
    while not killed:
        assert process.poll() is None, "the training ended before it was killed"
        time.sleep(0.001)
        if moment():
            # While it is stopped, it cannot have passed the moment when it is killed.
            process.send_signal(signal.SIGSTOP)
            killed = moment()
            process.send_signal(signal.SIGKILL if killed else signal.SIGCONT)
    process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["within an epoch", "after an epoch", "while a state is written"])
def test_a_killed_training_ends_like_an_uninterrupted_one(
    when: str,
    windows: Path,
    uninterrupted: Outcome,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "killed"
    batch_limit = int(np.random.default_rng(0).integers(2, 5))

    def moment() -> bool:
        epoch, batch = last_saved(folder)
        if when == "within an epoch":
            return epoch >= 1 and batch >= batch_limit
        if when == "after an epoch":
            return epoch >= 1 and batch == 0
        return batch >= batch_limit and any((folder / "resume").glob("*/.*.partial"))

    kill(start(windows, folder), moment)
    epoch, batch = last_saved(folder)
    train_here(windows, folder, minutes=60.0)
    assert any(
        line.endswith(f"gru: continues from epoch {epoch + 1}, batch {batch + 1}") for line in caplog.messages
    )
    assert agree(outcome(windows, folder), uninterrupted)
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.json",
        "model",
        "scores.parquet",
        "scores.parquet.sha256",
    ]


@pytest.mark.slow
def test_a_killed_convolution_ends_like_an_uninterrupted_one(
    windows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = train_uninterrupted(windows, tmp_path / "uninterrupted", **CONVOLUTION)
    folder = tmp_path / "killed"
    kill(start(windows, folder, **CONVOLUTION), lambda: (0, 3) <= last_saved(folder) < (1, 0))
    batch = last_saved(folder)[1]
    train_here(windows, folder, minutes=60.0, **CONVOLUTION)
    assert any(
        line.endswith(f"dilated_conv: continues from epoch 1, batch {batch + 1}") for line in caplog.messages
    )
    assert agree(outcome(windows, folder), expected)


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only a processor can count as several devices")
def test_several_devices_continue_like_one_uninterrupted_device(windows: Path, tmp_path: Path) -> None:
    """They add up their shards in another order: equal within the tolerance, not to the byte."""
    # Without dropout, as each device draws its own.
    changes = {"settings": network_settings(width=4, dropout=0.0)}
    expected = train_uninterrupted(windows, tmp_path / "uninterrupted", **changes)
    folder = tmp_path / "killed"
    kill(start(windows, folder, 2, **changes), lambda: last_saved(folder) >= (1, 2))
    epoch, batch = last_saved(folder)
    process = start(windows, folder, 2, **changes)
    try:
        log = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    assert f"gru: continues from epoch {epoch + 1}, batch {batch + 1}\n" in log
    assert close(outcome(windows, folder), expected)


@pytest.mark.slow
def test_a_changed_setting_starts_from_scratch(
    windows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A training that could not write its history leaves its last state behind."""
    short = {"training": network_training(batch_size=32, epochs=1)}
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        train_here(windows, tmp_path, history=tmp_path / "file/history.json", **short)
    slower = {"settings": network_settings(width=4, learning_rate=0.005)}
    other = {"windows": small_windows(tmp_path / "other", 1)}
    for changes in ({"seed": 1}, {"code": "another"}, slower, other):
        train_here(**{"windows": windows, "folder": tmp_path, "minutes": 60.0} | short | changes)
        assert "continues" not in caplog.text
    train_here(windows, tmp_path, minutes=60.0, **short)
    assert any(line.endswith("gru: continues from epoch 2, batch 1") for line in caplog.messages)
    assert not (tmp_path / "resume").exists()


def progress(batch: int) -> TrainingProgress:
    """Return progress whose arrays hold the number of its batch."""
    table = jnp.full((50, 4), batch, jnp.float32)
    state = TrainState({"w": table}, table, (table,), (table,), jnp.int32(batch), jnp.zeros(2))
    rows = [{"epoch": 1, "loss": 0.1 + 0.2, "valid_auc": 2 / 3}]
    return TrainingProgress(state, ({"w": table}, table), 1, 1, batch, rows, [0.1])


# When one of orbax's writers fails, others find their event loop closed; Python reports it of their threads.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
def test_a_disk_without_room_for_the_state_does_not_end_the_training(
    windows: Path, tmp_path: Path, uninterrupted: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    # Files that may not grow stand for a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    saved = ResumeCheckpoints.save

    def save(checkpoints: ResumeCheckpoints, state: TrainingProgress) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            saved(checkpoints, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResumeCheckpoints, "save", save)
        train_here(windows, tmp_path)
    assert agree(outcome(windows, tmp_path), uninterrupted)
    lost = [line for line in caplog.messages if "File too large. The training goes on" in line]
    assert lost and all(str(tmp_path / "resume") in line and "\n" not in line for line in lost)
    assert not list(tmp_path.rglob("*.partial")) and not list(tmp_path.rglob("*-tmp"))


@pytest.mark.parametrize("damage", ["a byte", "an end", "a file"])
def test_a_damaged_state_is_skipped(damage: str, tmp_path: Path) -> None:
    checkpoints = ResumeCheckpoints(tmp_path / "resume/digest", minutes=0.0)
    checkpoints.save(progress(1))
    shutil.copytree(checkpoints.folder, tmp_path / "older")
    checkpoints.save(progress(2))
    shutil.copytree(tmp_path / "older", checkpoints.folder, dirs_exist_ok=True)
    older, newer = sorted(checkpoints.folder.iterdir())
    for broken, expected in ((None, 2), (newer, 1), (older, None)):
        if broken is not None:
            spoil(broken, damage)
        loaded = checkpoints.load(progress(0))
        if expected is None:
            assert loaded is None
        else:
            assert loaded is not None
            assert jax.tree.all(jax.tree.map(np.array_equal, loaded.state, progress(expected).state))
            assert (loaded.rows, loaded.seconds) == (progress(expected).rows, progress(expected).seconds)
            assert (loaded.epoch, loaded.batch, loaded.best_epoch) == (1, expected, 1)


def spoil(folder: Path, damage: str) -> None:
    """Damage the largest file of a state; the list of files would still be read without its last byte."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / CheckpointFiles.name)
    file = max(files, key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    if damage == "a byte":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "an end":
        file.write_bytes(content[:-1])
    else:
        file.unlink()
