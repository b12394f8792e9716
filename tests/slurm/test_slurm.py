"""The workflow runs on a Slurm cluster: it survives killed and cancelled jobs, and uses several nodes."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from slurm_cluster import Slurm, cluster, leftovers, missing_requirement
from workflow_runs import ROOT, TINY, make_run_folder

# The tests' environment does not contain Snakemake's Slurm plugin: its import slows every start of Snakemake.
PLUGIN = ROOT / ".venv/slurm-plugin"
CANCELLED = "rule_train_wildcards_yoochoose_gradient_boosting_0"
SMALLER = {
    "datasets": {"retailrocket": None, "yoochoose": {"windows": {"length": 2}}},
    "models": {"dilated_conv": None},
}
ONE_NODE: dict[str, Any] = {"mpi": None, "nodes": None, "tasks": None}

# The edits that a user of this cluster makes after uncommenting every setting.
EDITS: dict[str, Any] = {
    # The cluster has no accounting, and one partition.
    "default-resources": {"slurm_account": None, "tmpdir": None},
    # The tiny run has short jobs, and two cores.
    "max-status-checks-per-second": 10,
    "set-threads": {"events": 2, "sessions": 2, "windows": 2, "train": 1, "score": 1, "train_text": 1},
    "set-resources": {
        "events": ONE_NODE,
        "sessions": {"nodes": 2, "tasks": 2},
        "windows": ONE_NODE,
        "train": {
            "slurm_partition": None,
            "tasks_per_gpu": None,
            "nodes": 2,
            "mpi": "'srun --cpus-per-task=1'",
        },
        "score": {"slurm_partition": None, "gpu": 1},
        # The first attempt gets less memory than the text networks need.
        "train_text": {"slurm_partition": None, "mem_mb": "450 * attempt"},
        "sample_text": {"slurm_partition": None, "mem_mb": "450 * attempt"},
    },
}


# `snakemake` with a check of the jobs every second. By default, the plugin waits ten seconds longer after
# each check in which no job has ended.
SNAKEMAKE = """
import sys
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda _: 1, lambda *_: None)
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Run:
    """A finished run on Slurm: its folder, Snakemake's output, and Slurm's record of each job."""

    folder: Path
    output: str
    jobs: list[dict[str, str]]

    def jobs_named(self, comment: str) -> list[dict[str, str]]:
        """Return the jobs whose comment matches a pattern, in the order of their submission."""
        return [job for job in self.jobs if re.fullmatch(comment, job["Comment"])]


def skip_reason() -> str | None:
    """Return why these tests can't run, or None."""
    if reason := missing_requirement():
        return reason
    if not PLUGIN.is_dir() and importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return f"Snakemake's Slurm plugin is not in {PLUGIN}: make slurm-plugin"
    return None


def merged(values: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """Return values with the edits applied, section by section; None removes a value."""
    result = dict(values)
    for key, edit in edits.items():
        if edit is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), edit) if isinstance(edit, dict) else edit
    return result


def profile() -> dict[str, Any]:
    """Return the profile after a user's edits: all settings that were comments apply, and EDITS too."""
    text = (ROOT / "profiles/slurm/profile.yaml").read_text("utf-8")
    uncommented: dict[str, Any] = yaml.safe_load(re.sub(r"(?m)^( *)# ([a-z_-]+: \S+)", r"\1\2", text))
    return merged(uncommented, EDITS)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """Start a cluster for all tests. Afterwards, check that no process and no folder remain."""
    if reason := skip_reason():
        if os.environ.get("RABBITHOLE_REQUIRE_SLURM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with cluster() as running:
        path = f"{Path(sys.executable).parent}:{running.environment['PATH']}"
        running.environment.update(PATH=path, PYTHONPATH=str(PLUGIN))
        yield running
    assert leftovers(running.folder) == []
    assert not running.folder.exists()


def project(folder: Path) -> Path:
    """Copy this project with one data set, two models and short windows: every rule runs, in less time."""
    folder.mkdir()
    for name in ("src", "rules", "envs", "requirements", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Snakefile", folder)
    for name, source in (("config.yaml", "config.yaml"), ("tiny.yaml", TINY)):
        config = merged(yaml.safe_load((ROOT / source).read_text("utf-8")), SMALLER)
        (folder / name).write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def run(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the tiny configuration up to the report. Meanwhile, cancel one job."""
    root = project(tmp_path_factory.mktemp("slurm") / "project")
    folder = make_run_folder(tmp_path_factory.mktemp("run"))
    (folder / "profiles/slurm").mkdir(parents=True)
    (folder / "profiles/slurm/profile.yaml").write_text(yaml.safe_dump(profile()))
    command = [sys.executable, "-c", SNAKEMAKE, "--workflow-profile", "slurm"]
    command += ["--snakefile", str(root / "Snakefile"), "--configfile", str(root / "tiny.yaml"), "--nocolor"]
    log = folder / "snakemake.log"
    with log.open("wb") as output:
        snakemake = subprocess.Popen(
            command,
            cwd=folder,
            env=slurm.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            cancel(slurm, snakemake)
            assert snakemake.wait(timeout=2400) == 0, log.read_text()[-10000:]
        finally:
            snakemake.terminate()
            snakemake.wait()
    assert slurm.query("squeue", "--noheader") == ""
    lines = slurm.query("scontrol", "--oneliner", "show", "jobs").splitlines()
    jobs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return Run(folder, log.read_text(), sorted(jobs, key=lambda job: int(job["JobId"])))


def cancel(slurm: Slurm, snakemake: subprocess.Popen[bytes]) -> None:
    """Cancel the job CANCELLED as soon as it runs."""
    while snakemake.poll() is None:
        for line in slurm.query("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines():
            number, comment = line.split()
            if comment == CANCELLED:
                slurm.query("scancel", number)
                return
        time.sleep(0.5)


def test_the_tiny_run_writes_the_report(run: Run) -> None:
    assert (run.folder / "results/report/index.html").exists()
    assert "The report: results/report/index.html" in run.output


def test_a_job_gets_the_resources_of_the_profile(run: Run) -> None:
    job = run.jobs_named("rule_windows_wildcards_yoochoose")[0]
    assert (job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"]) == ("2", "16000M", "04:00:00")
    assert {"TresPerJob": "gres:gpu:1"}.items() <= run.jobs_named("rule_evaluation_evaluate_score")[0].items()


def test_small_steps_share_jobs(run: Run) -> None:
    comments = {job["Comment"] for job in run.jobs}
    assert comments >= {"rule_evaluation_evaluate_oracle", "rule_alice_sample_text_train_text"}
    assert len(run.jobs_named("rule_compare_models.*")) == 1
    assert not run.jobs_named(".*(figure|page|book).*")


def test_a_job_killed_by_its_memory_limit_is_retried_with_more_memory_and_time(run: Run) -> None:
    jobs = run.jobs_named("rule_alice_.*")
    limits = [(int(job["MinMemoryNode"].rstrip("M")), job["TimeLimit"]) for job in jobs]
    states = [job["JobState"] for job in jobs]
    assert limits[:2] == [(450, "05:00:00")] * 2
    assert set(states[:2]) <= {"FAILED", "OUT_OF_MEMORY"}
    assert limits[2:4] == [(900, "10:00:00")] * 2
    assert states.count("COMPLETED") == 2
    assert "exceeded memory limit" in run.output


def test_a_cancelled_job_is_retried(run: Run) -> None:
    assert [job["JobState"] for job in run.jobs_named(CANCELLED)] == ["CANCELLED", "COMPLETED"]


def test_spark_runs_on_two_nodes_in_one_allocation(run: Run) -> None:
    job = run.jobs_named("rule_sessions_wildcards_yoochoose")[-1]
    assert (job["NumNodes"], job["NumCPUs"], job["JobState"]) == ("2", "4", "COMPLETED")
    log = (run.folder / "results/logs/sessions/yoochoose.log").read_text()
    assert re.search(r"Spark runs at spark://\S+: 2 workers of 2 cores and 16000 MB", log)
    assert not list(run.folder.glob(".spark-*"))


def test_two_tasks_train_one_network(run: Run) -> None:
    job = run.jobs_named("rule_train_wildcards_yoochoose_gru_0")[-1]
    assert (job["NumTasks"], job["JobState"]) == ("2", "COMPLETED")
    log = (run.folder / "results/logs/train/yoochoose-gru-0.log").read_text()
    assert "connected to 1 peer ranks" in log
    assert len(re.findall(r"^\S+ \S+: epoch +1 ", log, re.MULTILINE)) == 1
