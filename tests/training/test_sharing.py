"""Two devices or processes that share each batch learn what one alone does."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from window_fixtures import random_sessions, write_windows

from rabbithole.training.train import train

PROGRAM = """
import json, os, sys
from pathlib import Path
from rabbithole.training import devices as source
from rabbithole.training.train import train

if "ACCELERATED" in os.environ:
    source.accelerated = lambda: True
settings, windows, output = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
train(
    **settings,
    windows=windows,
    output=output,
    history=output.with_suffix(".json"),
    resume=output.with_name("resume"),
)
"""
SETTINGS: dict[str, Any] = {
    "model": "gru",
    "settings": {
        "embedding_width": 4,
        "width": 4,
        "layers": 1,
        "dropout": 0.0,
        "learning_rate": 0.01,
        "weight_decay": 0.0001,
    },
    # Odd numbers of sessions in a batch, so that the devices' shares differ.
    "training": {"batch_size": 33, "epochs": 2, "patience": 2, "unseen_share": 0.01},
    "balance": "none",
    "seed": 0,
    "code": "",
    "checkpoint_minutes": 5,
}


def shared(given: dict[str, Any], windows: Path, output: Path, environments: list[dict[str, str]]) -> None:
    """Train in processes of their own, one for each environment: JAX counts its devices once."""
    said = [output.with_name(f"said-{number}") for number in range(len(environments))]
    processes = []
    for environment, place in zip(environments, said, strict=True):
        command = [sys.executable, "-c", PROGRAM, json.dumps(given), str(windows), str(output)]
        with place.open("w") as file:
            processes.append(
                subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)
            )
    try:
        codes = [process.wait(300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert not any(codes), [place.read_text() for place in said]


def two_accelerators() -> list[dict[str, str]]:
    """Return the environment of a process that keeps all windows on two devices."""
    return [{"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "ACCELERATED": "yes"}]


def two_processes() -> list[dict[str, str]]:
    """Return the environments of the two tasks of a Slurm step on this machine."""
    # JAX takes the port at which they meet from the number of the job.
    number = random.SystemRandom().randrange(1, 4096)
    step = {"SLURM_JOB_ID": str(number), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_STEP_NUM_TASKS": "2"}
    step |= {"SLURM_NTASKS": "2"}
    return [step | {"SLURM_PROCID": task, "SLURM_LOCALID": task} for task in "01"]


def history(output: Path) -> list[dict[str, Any]]:
    """Return the history of a training's epochs."""
    epochs: list[dict[str, Any]] = json.loads(output.with_suffix(".json").read_text())["epochs"]
    return epochs


@pytest.mark.parametrize(
    ("model", "target", "environments"),
    [
        ("dilated_conv", "buyer", two_accelerators),
        ("gru", "next_event", two_processes),
    ],
)
def test_two_learn_what_one_does(
    model: str, target: str, environments: Callable[[], list[dict[str, str]]], tmp_path: Path
) -> None:
    augmentation = {"prefixes": True, "event_dropout": 0.0}
    given = SETTINGS | {"model": model, "target": target, "augmentation": augmentation}
    # What is hidden on an accelerator is drawn in its own way.
    drawn = environments is not two_accelerators
    given["training"] = given["training"] | {"unseen_share": 0.01 if drawn else 0.0}
    rng = np.random.default_rng(0)
    train_rows, valid_rows = (random_sessions(150, rng, prefix=name, longest=3) for name in "tv")
    windows = write_windows(
        tmp_path / "windows",
        length=3,
        vocabularies={"event": ["a", "b", "c"], "category": []},
        train=train_rows,
        valid=valid_rows,
    )
    one, two = tmp_path / "one", tmp_path / "two"
    train(
        **given,
        windows=windows,
        output=one,
        history=one.with_suffix(".json"),
        resume=tmp_path / "resume",
    )
    shared(given, windows, two, environments())
    for alone, together in zip(history(one), history(two), strict=True):
        assert together == pytest.approx(alone, rel=1e-5)
