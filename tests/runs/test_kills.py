"""A killed run can be resumed and has the results of an undisturbed run. `make torture` tests fifty kills."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
from killing import jobs_of, leftovers, outcomes, run_and_kill, step_of
from workflow_runs import command, make_run_folder, snakemake

KILLS = (
    ("snakemake", signal.SIGKILL, "events"),
    ("job", signal.SIGKILL, "sessions"),
    ("snakemake", signal.SIGINT, "train"),
)
"""What is killed, by which signal, and while which step runs. Each run has more to do after this step."""

FILES = (
    "results/yoochoose/gradient_boosting/seed-0/metrics.json",
    "results/yoochoose/checks.json",
    "results/report/figures/yoochoose-lengths.svg",
    "results/alice/deck/samples.json",
)
"""Targets of the killed runs: a shop from its log to the metrics and a figure, and a text model.

`make torture` kills whole runs.
"""


def test_a_run_killed_three_times_has_the_same_results(finished: Path, project: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    folder = make_run_folder(tmp_path / "killed")
    for target, sent, step in KILLS:
        kill = run_and_kill(folder, project, target, sent, random.uniform(0.3, 1), *FILES, step=step)
        assert kill is not None, (folder / "killed.log").read_text()[-2000:]
    done = snakemake(folder, *FILES, root=project)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    actual, expected = outcomes(folder), outcomes(finished)
    # In another folder, too: data, weights, estimators, scores, metrics, figures and models are the same.
    kinds = {".parquet", ".skops", ".json", ".svg", ".txt", ""}
    assert kinds <= {Path(name).suffix for name in actual}
    assert actual == {name: expected[name] for name in actual}
    assert leftovers(folder) == []


def test_a_killed_training_resumes_from_its_checkpoint(finished: Path, project: Path, tmp_path: Path) -> None:
    """Snakemake removes the outputs of a killed job, but not the checkpoint from which training resumes."""
    folder, overlay = tmp_path / "run", tmp_path / "overlay.yaml"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / "results/yoochoose/gru")
    overlay.write_text("training: {checkpoint_minutes: 0.0}")
    target = "results/yoochoose/gru/seed-0/scores.parquet"
    with (tmp_path / "killed.log").open("wb") as log:
        arguments = command(folder, target, config=overlay, root=project)
        process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        while not list(folder.glob("results/yoochoose/gru/resume/*/0*")):
            assert process.poll() is None
            time.sleep(0.01)
        (training,) = (job for job in jobs_of(process.pid) if step_of(job) == "train")
        training.kill()
        assert process.wait(300) != 0
    done = snakemake(folder, target, root=project)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "continues from epoch" in (folder / "results/logs/train/yoochoose-gru-0.log").read_text()
    assert (folder / target).read_bytes() == (finished / target).read_bytes()
    assert leftovers(folder) == []
