"""Runs of the workflow that are killed on the way, by a seed."""

import contextlib
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from workflow_runs import command, snakemake

TARGETS = ("snakemake", "job")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
OUTCOMES = ("scores.parquet", "metrics.json", "comparison.json", "samples.json", "summary.txt")
"""Files that must be the same bytes, however often a run was killed; none of them tells a time."""


@dataclass(frozen=True)
class Kill:
    """What was killed, by which signal, so many seconds after the start; what ran then."""

    target: str
    signal: str
    seconds: float
    running: str


def draw(random: np.random.Generator) -> tuple[str, signal.Signals]:
    """Return what to kill, and how."""
    return TARGETS[random.integers(len(TARGETS))], SIGNALS[random.integers(len(SIGNALS))]


def run_and_kill(
    folder: Path, root: Path, target: str, how: signal.Signals, seconds: float, *files: str
) -> Kill | None:
    """Start the tiny run in `folder` and kill it after so many seconds; None when it ended before.

    files: what is to be made, if not everything. Waits until nothing of the run is left, and fails when a job
    outlives its Snakemake.
    """
    # Started in the background, this process may have been told to pass over SIGINT, and would hand that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / "killed.log").open("ab") as log:
        words = command(folder, *files, root=root)
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(seconds)
            return None
        except subprocess.TimeoutExpired:
            pass
        jobs = jobs_of(process.pid)
        victim = psutil.Process(process.pid)
        if target == "job":
            deadline = time.monotonic() + 60
            while not jobs and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                jobs = jobs_of(process.pid)
            if not jobs:
                process.wait(300)
                return None
            victim = jobs[0]
        running = ", ".join(sorted({step_of(job) for job in jobs} - {""}))
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(how)
        process.wait(300)
        _, alive = psutil.wait_procs(jobs, timeout=10)
        assert not alive, f"left running: {alive}"
    if target == "snakemake" and how == signal.SIGKILL:
        assert snakemake(folder, "--unlock", root=root).returncode == 0
    return Kill(target, how.name, seconds, running)


def jobs_of(snakemake_pid: int) -> list[psutil.Process]:
    """Return the running steps of a Snakemake."""
    try:
        below = psutil.Process(snakemake_pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in below if step_of(process)]


def step_of(process: psutil.Process) -> str:
    """Return the name of the step that a process is, or nothing."""
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    if words[1:4] == ["-m", "rabbithole", "step"] and Path(words[0]).name.startswith("python"):
        return words[4]
    return ""


def outcomes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of what a run came to, by path."""
    results = folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.name in OUTCOMES
    }


def leftovers(folder: Path) -> list[str]:
    """Return what half-written outputs and states of trainings still lie about."""
    return [str(path) for name in (".*.partial", "resume") for path in (folder / "results").rglob(name)]


def explain(kill: Kill | None) -> str:
    """Return a line of the table."""
    if kill is None:
        return "the run had ended"
    return f"{kill.target:9} {kill.signal:7} after {kill.seconds:4.1f} s  running: {kill.running or '-'}"
