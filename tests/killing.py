"""Start workflow runs and kill them before they end; a seed determines targets, signals and times."""

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
WITH_TIMES = ("history.json", "index.html", "runs.jsonl", "fingerprints.json")
"""Results that hold times, or what depends on them."""

TIMES = ("logs", "benchmarks", "runs")
"""Folders of times, of logs, and of what `runs.jsonl` names."""


@dataclass(frozen=True)
class Kill:
    """One kill: the target, the signal, the seconds since the first step started, and the steps that ran."""

    target: str
    signal: str
    seconds: float
    running: str


def draw_kill(random: np.random.Generator) -> tuple[str, signal.Signals]:
    """Draw what to kill, and with which signal."""
    return TARGETS[random.integers(len(TARGETS))], SIGNALS[random.integers(len(SIGNALS))]


def run_and_kill(
    folder: Path, root: Path, target: str, sent: signal.Signals, seconds: float, *files: str, step: str = ""
) -> Kill | None:
    """Start the tiny run in `folder` and kill it some seconds after the start of a step.

    Returns None if the run ended earlier, or without an error as the killed job had just ended.

    target: "snakemake", or "job" for one of its steps. sent: the signal. files: targets of the run (none:
    all). step: the name of the step (empty: the first one to start). Waits until all processes of the run
    have ended, and fails if a job outlives its Snakemake.
    """

    def jobs_of_step() -> list[psutil.Process]:
        return [job for job in jobs_of(process.pid) if step in ("", step_of(job))]

    # A process in the background may ignore SIGINT. Its child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / "killed.log").open("ab") as log:
        arguments = command(folder, *files, root=root)
        process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        while not jobs_of_step() and process.poll() is None:
            time.sleep(0.05)
        try:
            process.wait(seconds)
            return None
        except subprocess.TimeoutExpired:
            pass
        jobs = jobs_of(process.pid)
        victim = psutil.Process(process.pid)
        if target == "job":
            deadline = time.monotonic() + 60
            victims = jobs_of_step()
            while not victims and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                jobs, victims = jobs_of(process.pid), jobs_of_step()
            if not victims:
                process.wait(300)
                return None
            victim = victims[0]
        running = ", ".join(sorted({step_of(job) for job in jobs} - {""}))
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(sent)
        if process.wait(300) == 0:
            return None
        _, alive = psutil.wait_procs(jobs, timeout=60)
        assert not alive, f"left running: {alive}"
    if target == "snakemake" and sent == signal.SIGKILL:
        assert snakemake(folder, "--unlock", root=root).returncode == 0
    return Kill(target, sent.name, seconds, running)


def jobs_of(snakemake_pid: int) -> list[psutil.Process]:
    """Return the processes of the steps that a Snakemake process runs."""
    try:
        children = psutil.Process(snakemake_pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in children if step_of(process)]


def step_of(process: psutil.Process) -> str:
    """Return the name of the step that a process runs; empty if it runs none."""
    try:
        arguments = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    if arguments[1:4] == ["-m", "rabbithole", "step"] and Path(arguments[0]).name.startswith("python"):
        return arguments[4]
    return ""


def outcomes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a run's results but times and logs, by path relative to `results`.

    They are the same in every run, killed or not.
    """
    results = folder / "results"
    files = {path.relative_to(results): path for path in sorted(results.rglob("*")) if path.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in files.items()
        if name.parts[0] not in TIMES and path.name not in WITH_TIMES and path.name != ".snakemake_timestamp"
    }


def leftovers(folder: Path) -> list[str]:
    """Return the partial outputs, training checkpoints for resuming, and progress files that are left."""
    names = (".*.partial", "resume", "*.progress*")
    return [str(path) for name in names for path in (folder / "results").rglob(name)]


def describe(kill: Kill | None) -> str:
    """Return a line about a kill for the log."""
    if kill is None:
        return "the run ended before the kill"
    return f"{kill.target:9} {kill.signal:7} after {kill.seconds:4.1f} s  running: {kill.running or '-'}"
