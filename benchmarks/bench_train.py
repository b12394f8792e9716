"""Compare the training speed of our networks with PyTorch and Keras on the same windows.

    make bench-train                    # installs 3 GB of PyTorch first
    make ACCELERATOR=cuda bench-train BATCHES="1024 8192 32768" ROUNDS=1

Prints for each contestant the sessions per second: median and range over all rounds, without the first epoch
of each round, which compiles. Also prints the valid AUC after each epoch of the first round, with the minutes
since the start. The slow contestants train on few sessions, so only their speed is printed. With a GPU, all
contestants run on it and keep the windows in its memory.
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
from figures import record
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
Rounds = list[list[dict[str, Any]]]
"""The epochs of each round."""

ALL_SESSIONS = 10**9
"""More sessions than any log has."""

SLOW = ("torch padded", "keras")
"""Contestants that would take an hour. They train on eight batches per epoch, at least 8,192 sessions."""

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
    """Return the windows of a simulated log; build them if necessary."""
    output = folder / f"train-{sessions}"
    if not (output / "windows.json").exists():
        # A machine without Spark can train on windows that exist.
        from bench_etl import simulated, time_stages

        output.mkdir(parents=True, exist_ok=True)
        time_stages({}, simulated(folder, "yoochoose", sessions), "yoochoose", output, threads)
    return output / "windows"


def epochs_of(name: str, windows: Path, epochs: int, batch_size: int, threads: int) -> list[dict[str, Any]]:
    """Train one contestant in another process; return its epochs, none if it failed."""
    sessions = str(max(8_192, 8 * batch_size) if name in SLOW else ALL_SESSIONS)
    numbers = [str(windows), str(epochs), str(batch_size)]
    search_path = [str(Path(sys.prefix) / "benchmarks-train"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(search_path), "KERAS_BACKEND": "torch"}
    if name == "keras":
        command = ["keras_gru.py", *numbers, sessions]
    elif name.startswith("torch"):
        command = ["torch_gru.py", name.split()[1], *numbers, sessions]
    else:
        command, environment = ["ours.py", name, *numbers], {}
    limits = {"THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    process = subprocess.run(
        [sys.executable, str(HERE / "train" / command[0]), *command[1:]],
        env=os.environ | limits | environment,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        print(f"{name} failed: {process.stderr}", file=sys.stderr)
        return []
    epoch_rows: list[dict[str, Any]] = json.loads(process.stdout.splitlines()[-1])
    return epoch_rows


def main(
    sessions: Annotated[int, typer.Option(help="Sessions of the simulated YOOCHOOSE log.")] = 600_000,
    epochs: int = 3,
    batch_size: Annotated[list[int] | None, typer.Option(help="Sessions per step; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds in which each contestant trains once.")] = 3,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Folder of the log and its windows.")] = Path("bench"),
    only: Annotated[list[str] | None, typer.Option(help="A contestant; may be repeated.")] = None,
) -> None:
    """Train the contestants in turn and print a table for each batch size."""
    windows = windows_of(folder, sessions, threads)
    for size in batch_size or [1024]:
        results: dict[str, Rounds] = {}
        for _ in range(rounds):
            for name in only or CONTESTANTS:
                contestant_rounds = results.setdefault(name, [])
                if rows := epochs_of(name, windows, epochs, size, threads):
                    contestant_rounds.append(rows)
                    print(f"{name}: {statistics.median(speeds([rows])):,.0f} sessions/s", file=sys.stderr)
        show(results, f"Training, {sessions:,} sessions, batches of {size:,}, {threads} cores")


def speeds(rounds: Rounds) -> list[float]:
    """Return the sessions per second of each epoch, without the first epoch of each round."""
    return [epoch["sessions"] / epoch["seconds"] for rows in rounds for epoch in rows[1:] or rows]


def show(results: dict[str, Rounds], title: str) -> None:
    """Print the table of all contestants' rounds."""
    table = Table(title=title)
    table.add_column("")
    for column in (
        "sessions per second",
        "range",
        "relative to the best PyTorch",
        "valid AUC (after minutes)",
    ):
        table.add_column(column, justify="right")
    for name in [name for name, rounds in results.items() if not rounds]:
        table.add_row(name, "failed")
        del results[name]
    medians = {name: statistics.median(speeds(rounds)) for name, rounds in results.items()}
    best = max((speed for name, speed in medians.items() if name.startswith("torch")), default=float("nan"))
    for name, rounds in results.items():
        record(
            f"{title}: {name}",
            f"{medians[name]:,.0f} sessions/s, {medians[name] / best:.2f} to the best PyTorch",
        )
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
    devices = {name: {rows[0]["device"] for rows in rounds} for name, rounds in results.items()}
    print("Trained on: " + ", ".join(f"{name} {' and '.join(used)}" for name, used in devices.items()))
    if len(set().union(*devices.values())) > 1:
        sys.exit("The contestants trained on different devices: their speeds can't be compared.")


if __name__ == "__main__":
    typer.run(main)
