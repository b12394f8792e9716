"""The workflow on a real Slurm: to the report, through kills and cancels, and over several nodes."""

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
from slurm_cluster import Slurm, cluster, leftovers, missing
from workflow_runs import ROOT, TINY, workplace

# Snakemake's plugin lies beside the environment for the tests: its import slows all that Snakemake does.
PLUGIN = ROOT / ".venv/slurm-plugin"
CANCELLED = "rule_train_wildcards_yoochoose_gradient_boosting_0"
LEFT_OUT = {
    "datasets": {"retailrocket": None, "yoochoose": {"windows": {"length": 2}}},
    "models": {"dilated_conv": None},
}
ELSEWHERE: dict[str, Any] = {"mpi": None, "nodes": None, "tasks": None}

# What a user of this cluster edits, once the `#` of every line is away.
EDITS: dict[str, Any] = {
    # It has no accounting, and one partition.
    "default-resources": {"slurm_account": None, "tmpdir": None},
    # A tiny run is in a hurry, and has two cores.
    "max-status-checks-per-second": 10,
    "set-threads": {"events": 2, "sessions": 2, "windows": 2, "train": 1, "score": 1, "train_text": 1},
    "set-resources": {
        "events": ELSEWHERE,
        "sessions": {"nodes": 2, "tasks": 2},
        "windows": ELSEWHERE,
        "train": {
            "slurm_partition": None,
            "tasks_per_gpu": None,
            "nodes": 2,
            "mpi": "'srun --cpus-per-task=1'",
        },
        "score": {"slurm_partition": None, "gpu": 1},
        # Less than the text networks need.
        "train_text": {"slurm_partition": None, "mem_mb": "450 * attempt"},
        "sample_text": {"slurm_partition": None, "mem_mb": "450 * attempt"},
    },
}


# `snakemake`, but for its patience: the plugin asks ten seconds later each time that no job has ended.
SNAKEMAKE = """
import sys
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda _: 1, lambda *_: None)
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Run:
    """What a run through Slurm left: its folder, what Snakemake said, what Slurm knows of each job."""

    folder: Path
    said: str
    jobs: list[dict[str, str]]

    def of(self, comment: str) -> list[dict[str, str]]:
        """Return the jobs with a comment, in the order of their submission."""
        return [job for job in self.jobs if re.fullmatch(comment, job["Comment"])]


def why_not() -> str | None:
    """Return why nothing here can be tried, or None."""
    if reason := missing():
        return reason
    if not PLUGIN.is_dir() and importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return f"Snakemake's Slurm plugin is not in {PLUGIN}: make slurm-plugin"
    return None


def merged(values: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """Return values with edits in the place of old values; None removes a value."""
    result = dict(values)
    for key, edit in edits.items():
        if edit is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), edit) if isinstance(edit, dict) else edit
    return result


def profile() -> dict[str, Any]:
    """Return the profile as a user may edit it: every setting that is commented out counts."""
    text = (ROOT / "profiles/slurm/profile.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(re.sub(r"(?m)^( *)# ([a-z_-]+: \S+)", r"\1\2", text))
    return merged(found, EDITS)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """Give a cluster to all tests, and see that nothing is left of it."""
    if reason := why_not():
        if os.environ.get("RABBITHOLE_REQUIRE_SLURM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with cluster() as found:
        path = f"{Path(sys.executable).parent}:{found.environment['PATH']}"
        found.environment.update(PATH=path, PYTHONPATH=str(PLUGIN))
        yield found
    assert leftovers(found.folder) == []
    assert not found.folder.exists()


def project(folder: Path) -> Path:
    """Make a project of one data set, two models and short windows out of this one: every rule, sooner."""
    folder.mkdir()
    for name in ("src", "rules", "envs", "requirements", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Snakefile", folder)
    for name, source in (("config.yaml", "config.yaml"), ("tiny.yaml", TINY)):
        config = merged(yaml.safe_load((ROOT / source).read_text("utf-8")), LEFT_OUT)
        (folder / name).write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def run(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the tiny configuration to its report; meanwhile cancel a job."""
    root = project(tmp_path_factory.mktemp("slurm") / "project")
    folder = workplace(tmp_path_factory.mktemp("run"))
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
            assert snakemake.wait(timeout=900) == 0, log.read_text()[-10000:]
        finally:
            snakemake.terminate()
            snakemake.wait()
    assert slurm.ask("squeue", "--noheader") == ""
    lines = slurm.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
    jobs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return Run(folder, log.read_text(), sorted(jobs, key=lambda job: int(job["JobId"])))


def cancel(slurm: Slurm, snakemake: subprocess.Popen[bytes]) -> None:
    """Cancel one of the jobs as soon as it runs."""
    while snakemake.poll() is None:
        for line in slurm.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines():
            number, comment = line.split()
            if comment == CANCELLED:
                slurm.ask("scancel", number)
                return
        time.sleep(0.5)


def test_the_tiny_run_ends_in_the_report(run: Run) -> None:
    assert (run.folder / "results/report/index.html").exists()
    assert "The report: results/report/index.html" in run.said


def test_a_job_gets_what_the_profile_says(run: Run) -> None:
    job = run.of("rule_windows_wildcards_yoochoose")[0]
    assert (job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"]) == ("2", "16000M", "04:00:00")
    assert {"TresPerJob": "gres:gpu:1"}.items() <= run.of("rule_evaluation_evaluate_score")[0].items()


def test_small_steps_share_jobs(run: Run) -> None:
    ran = {job["Comment"] for job in run.jobs}
    assert ran >= {"rule_evaluation_evaluate_oracle", "rule_alice_sample_text_train_text"}
    assert len(run.of("rule_compare_models.*")) == 1
    assert not run.of(".*(figure|page|book).*")


def test_a_job_killed_by_its_memory_limit_comes_back_with_more(run: Run) -> None:
    jobs = run.of("rule_alice_.*")
    given = [(int(job["MinMemoryNode"].rstrip("M")), job["TimeLimit"]) for job in jobs]
    ended = [job["JobState"] for job in jobs]
    assert given[:2] == [(450, "05:00:00")] * 2
    assert set(ended[:2]) <= {"FAILED", "OUT_OF_MEMORY"}
    assert given[2:4] == [(900, "10:00:00")] * 2
    assert ended.count("COMPLETED") == 2
    assert "exceeded memory limit" in run.said


def test_a_cancelled_job_is_retried(run: Run) -> None:
    assert [job["JobState"] for job in run.of(CANCELLED)] == ["CANCELLED", "COMPLETED"]


def test_spark_runs_over_two_nodes_in_one_allocation(run: Run) -> None:
    job = run.of("rule_sessions_wildcards_yoochoose")[-1]
    assert (job["NumNodes"], job["NumCPUs"], job["JobState"]) == ("2", "4", "COMPLETED")
    log = (run.folder / "results/logs/sessions/yoochoose.log").read_text()
    assert re.search(r"Spark runs at spark://\S+: 2 workers of 2 cores and 16000 MB", log)
    assert not list(run.folder.glob(".spark-*"))


def test_training_is_shared_by_two_tasks(run: Run) -> None:
    job = run.of("rule_train_wildcards_yoochoose_gru_0")[-1]
    assert (job["NumTasks"], job["JobState"]) == ("2", "COMPLETED")
    log = (run.folder / "results/logs/train/yoochoose-gru-0.log").read_text()
    assert "connected to 1 peer ranks" in log
    assert len(re.findall(r"^\S+ \S+: epoch +1 ", log, re.MULTILINE)) == 1
