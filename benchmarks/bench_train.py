"""Times the training of our networks beside PyTorch's and Keras's ways, in turn, on the same windows.

    make bench-train                    # installs 3 GB of PyTorch first
    make ACCELERATOR=cuda bench-train BATCHES="1024 8192 32768"

Prints for each the sessions a second (the median of the epochs after the first, which compiles) and the valid
AUC reached, with the minutes of training that it took. The slow ways learn from few sessions: their speed is
told, not their AUC. With a GPU at hand all run on it, and keep the windows on it.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ALL = 10**9
SLOW = ("torch padded", "keras")
"""Would take an hour: they learn from eight batches an epoch, 8,192 sessions at least."""

CONTESTANTS = (
    "gru",
    "dilated_conv",
    "torch padded",
    "torch packed",
    "torch bucketed",
    "torch sparse",
    "keras",
)


def windows_of(folder: Path, sessions: int, threads: int) -> Path:
    """Return the windows of a simulated log, made if they are not there."""
    place = folder / f"train-{sessions}"
    if not (place / "windows.json").exists():
        # Where windows are there, a machine without Spark will do.
        from bench_etl import simulated, stages

        place.mkdir(parents=True, exist_ok=True)
        stages({}, simulated(folder, "yoochoose", sessions), "yoochoose", place, threads)
    return place / "windows"


def epochs_of(name: str, windows: Path, epochs: int, batch_size: int, threads: int) -> list[dict[str, Any]]:
    """Train one contestant in a process of its own; return its epochs, none where it failed."""
    sessions = str(max(8_192, 8 * batch_size) if name in SLOW else ALL)
    numbers = [str(windows), str(epochs), str(batch_size)]
    beside = [str(Path(sys.prefix) / "benchmarks-train"), *filter(None, [os.environ.get("PYTHONPATH")])]
    peers = {"PYTHONPATH": os.pathsep.join(beside), "KERAS_BACKEND": "torch"}
    if name == "keras":
        command = ["keras_gru.py", *numbers, sessions]
    elif name.startswith("torch"):
        command = ["torch_gru.py", name.split()[1], *numbers, sessions]
    else:
        command, peers = ["ours.py", name, *numbers], {}
    limits = {"THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, str(HERE / "train" / command[0]), *command[1:]],
        env=os.environ | limits | peers,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{name} failed: {done.stderr}", file=sys.stderr)
        return []
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(
    sessions: Annotated[int, typer.Option(help="Sessions of the simulated YOOCHOOSE log.")] = 600_000,
    epochs: int = 3,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Sessions a step; may be given several times.")
    ] = None,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Where the log and its windows lie.")] = Path("bench"),
    only: Annotated[list[str] | None, typer.Option(help="A contestant; may be given several times.")] = None,
) -> None:
    """Train each in turn and print a table for each size of batches."""
    windows = windows_of(folder, sessions, threads)
    for size in batch_size or [1024]:
        compare(windows, sessions, epochs, size, threads, tuple(only or CONTESTANTS))


def compare(
    windows: Path, sessions: int, epochs: int, batch_size: int, threads: int, names: tuple[str, ...]
) -> None:
    """Train each in turn and print the table."""
    table = Table(title=f"Training, {sessions:,} sessions, batches of {batch_size:,}, {threads} cores")
    table.add_column("")
    for column in ("sessions a second", "of the best PyTorch", "valid AUC after so many minutes"):
        table.add_column(column, justify="right")
    found, speeds = {}, {}
    for name in names:
        rows = epochs_of(name, windows, epochs, batch_size, threads)
        if not rows:
            table.add_row(name, "failed", "", "")
            continue
        found[name] = rows
        speeds[name] = statistics.median(epoch["sessions"] / epoch["seconds"] for epoch in rows[1:] or rows)
        print(f"{name}: {speeds[name]:,.0f} sessions a second", file=sys.stderr)
    best = max((speed for name, speed in speeds.items() if name.startswith("torch")), default=float("nan"))
    for name, rows in found.items():
        minutes = itertools.accumulate(epoch["seconds"] / 60 for epoch in rows)
        reached = [f"{epoch['auc']:.4f} ({at:.1f})" for epoch, at in zip(rows, minutes, strict=True)]
        table.add_row(
            name,
            f"{speeds[name]:,.0f}",
            f"{speeds[name] / best:.2f}",
            "" if name in SLOW else ", ".join(reached),
        )
    Console(width=110).print(table)
    devices = {name: rows[0]["device"] for name, rows in found.items()}
    print(f"Trained on: {', '.join(f'{name} {device}' for name, device in devices.items())}")
    if len(set(devices.values())) > 1:
        sys.exit("Not all trained on the same device: this table compares nothing.")


if __name__ == "__main__":
    typer.run(main)
