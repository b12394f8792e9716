"""Two devices or processes that share each batch train the same network as one."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from factories import network_settings, network_training, random_windows, train_spec, write_windows

from rabbithole.artifacts.training import History
from rabbithole.specs.training import ResumeOptions, TrainSpec
from rabbithole.training.loop import process_count
from rabbithole.training.train import train

pytestmark = pytest.mark.slow

PROGRAM = """
import os, sys
from pathlib import Path
from rabbithole.specs.training import ResumeOptions, TrainSpec
from rabbithole.training import batch_source
from rabbithole.training.train import train

if "ACCELERATED" in os.environ:
    batch_source.on_accelerator = lambda: True
spec, windows, output = TrainSpec.parse(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
train(
    spec,
    windows=windows,
    output=output,
    history=output.with_suffix(".json"),
    code="",
    resume=ResumeOptions(folder=str(output.with_name("resume")), minutes=5.0),
)
"""


def train_shared(spec: TrainSpec, windows: Path, output: Path, environments: list[dict[str, str]]) -> None:
    """Train in other processes, one for each environment: JAX counts its devices only once."""
    logs = [output.with_name(f"log-{number}") for number in range(len(environments))]
    command = [sys.executable, "-c", PROGRAM, spec.to_json(), str(windows), str(output)]
    processes = []
    for environment, log in zip(environments, logs, strict=True):
        with log.open("w") as file:
            processes.append(
                subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)
            )
    try:
        codes = [process.wait(300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert not any(codes), [log.read_text() for log in logs]


def two_devices() -> list[dict[str, str]]:
    """Return the environment of a process that keeps all windows on two devices."""
    return [{"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "ACCELERATED": "yes"}]


def two_processes() -> list[dict[str, str]]:
    """Return the environments of the two tasks of a Slurm step on this machine."""
    # JAX derives the port at which they meet from the job's number.
    number = random.SystemRandom().randrange(1, 4096)
    # Snakemake ran in another step of the job.
    step = {"RABBITHOLE_SLURM_STEP": f"{number}.0", "SLURM_STEP_ID": "1"}
    step |= {"SLURM_JOB_ID": str(number), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_STEP_NUM_TASKS": "2"}
    step |= {"SLURM_NTASKS": "2"}
    return [step | {"SLURM_PROCID": task, "SLURM_LOCALID": task} for task in "01"]


def test_a_job_that_inherits_the_variables_of_an_interactive_step_trains_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert process_count() == 4
    monkeypatch.setenv("RABBITHOLE_SLURM_STEP", "7.0")
    assert process_count() == 1


@pytest.mark.parametrize(
    ("model", "target", "environments", "unseen_share"),
    [
        # Nothing is masked on devices, which draw their own random numbers.
        ("dilated_conv", "buyer", two_devices, 0.0),
        ("gru", "next_event", two_processes, 0.01),
    ],
)
def test_two_train_the_same_network_as_one(
    model: str,
    target: str,
    environments: Callable[[], list[dict[str, str]]],
    unseen_share: float,
    tmp_path: Path,
) -> None:
    spec = train_spec(
        model,
        target=target,
        settings=network_settings(width=4, dropout=0.0),
        # An odd number of sessions in a batch, so that the shards differ.
        training=network_training(batch_size=33, unseen_share=unseen_share),
    )
    rng = np.random.default_rng(0)
    train_rows, valid_rows = (random_windows(150, rng, prefix=name, longest=3) for name in "tv")
    windows = write_windows(
        tmp_path / "windows",
        length=3,
        vocabularies={"event": ["a", "b", "c"], "category": []},
        train=train_rows,
        valid=valid_rows,
    )
    train(
        spec,
        windows=windows,
        output=tmp_path / "one",
        history=tmp_path / "one.json",
        code="",
        resume=ResumeOptions(folder=str(tmp_path / "resume"), minutes=5.0),
    )
    train_shared(spec, windows, tmp_path / "two", environments())
    one, two = (History.read(tmp_path / f"{name}.json").epochs for name in ("one", "two"))
    for alone, shared in zip(one, two, strict=True):
        assert shared.model_dump(exclude_none=True) == pytest.approx(
            alone.model_dump(exclude_none=True), rel=1e-5
        )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "JAX_PLATFORMS",
            "quantum",
            "JAX finds no device to compute on (Unable to initialize backend 'quantum'",
        ),
        (
            "JAX_NUM_CPU_DEVICES",
            "x",
            'JAX can\'t be set up: Invalid value "x" for JAX flag jax_num_cpu_devices',
        ),
    ],
)
def test_a_jax_that_cannot_start_is_a_sentence(name: str, value: str, words: str) -> None:
    code = (
        "from rabbithole.errors import known_cause\n"
        "try: import jax; jax.jit(lambda x: x)(1)\n"
        "except Exception as error: print(known_cause(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {name: value},
        check=True,
    )
    assert done.stdout.startswith(words)
