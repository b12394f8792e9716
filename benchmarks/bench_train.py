"""Times the training of our networks beside PyTorch's and Keras's ways, in turn, on the same windows.

    make bench-train                    # installs 3 GB of PyTorch first
    make ACCELERATOR=cuda bench-train BATCHES="1024 8192 32768" ROUNDS=1

Prints for each the sessions a second (median and range over the rounds of the epochs after the first, which
compiles) and the valid AUC reached, with the minutes of training that it took in the first. The slow
ways learn from few sessions: their speed is told, not their AUC. With a GPU at hand all run on it, and keep
the windows on it.
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
    "gru unrolled",
    "gru bf16",
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
    rounds: Annotated[int, typer.Option(help="Times that all train, in turn.")] = 3,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Where the log and its windows lie.")] = Path("bench"),
    only: Annotated[list[str] | None, typer.Option(help="A contestant; may be given several times.")] = None,
) -> None:
    """Train each in turn and print a table for each size of batches."""
    windows = windows_of(folder, sessions, threads)
    for size in batch_size or [1024]:
        found: dict[str, list[list[dict[str, Any]]]] = {}
        for _ in range(rounds):
            for name in only or CONTESTANTS:
                rounds_of = found.setdefault(name, [])
                if rows := epochs_of(name, windows, epochs, size, threads):
                    rounds_of.append(rows)
                    print(f"{name}: {statistics.median(speeds([rows])):,.0f} sessions/s", file=sys.stderr)
        show(found, f"Training, {sessions:,} sessions, batches of {size:,}, {threads} cores")


def speeds(rounds: list[list[dict[str, Any]]]) -> list[float]:
    """Return the sessions a second of each epoch after its round's first."""
    return [epoch["sessions"] / epoch["seconds"] for rows in rounds for epoch in rows[1:] or rows]


def show(found: dict[str, list[list[dict[str, Any]]]], title: str) -> None:
    """Print the table of all contestants' rounds; one that failed each time has told why."""
    table = Table(title=title)
    table.add_column("")
    for column in ("sessions a second", "range", "of the best PyTorch", "valid AUC after so many minutes"):
        table.add_column(column, justify="right")
    for name in [name for name, rounds in found.items() if not rounds]:
        table.add_row(name, "failed")
        del found[name]
    medians = {name: statistics.median(speeds(rounds)) for name, rounds in found.items()}
    best = max((speed for name, speed in medians.items() if name.startswith("torch")), default=float("nan"))
    for name, rounds in found.items():
        minutes = itertools.accumulate(epoch["seconds"] / 60 for epoch in rounds[0])
        reached = [f"{epoch['auc']:.4f} ({at:.1f})" for epoch, at in zip(rounds[0], minutes, strict=True)]
        table.add_row(
            name,
            f"{medians[name]:,.0f}",
            f"{min(speeds(rounds)):,.0f} to {max(speeds(rounds)):,.0f}",
            f"{medians[name] / best:.2f}",
            "" if name in SLOW else ", ".join(reached),
        )
    Console(width=130).print(table)
    devices = {name: {rows[0]["device"] for rows in rounds} for name, rounds in found.items()}
    print("Trained on: " + ", ".join(f"{name} {' and '.join(used)}" for name, used in devices.items()))
    if len(set().union(*devices.values())) > 1:
        sys.exit("Not all trained on the same device: this table compares nothing.")


if __name__ == "__main__":
    typer.run(main)
