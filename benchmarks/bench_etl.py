"""Times raw YOOCHOOSE log to lists of steps: ours on Spark, Polars and DuckDB in turn; then our whole stages.

    make bench-etl                      # the full size, three rounds: about a quarter of an hour
    make bench-etl SESSIONS=1000000

Prints the median of each, its range, its ratio to Polars, and the most memory that it and its children held
(the sum of proportional set sizes). The outputs are compared row by row. Logs are simulated once.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
RETAILROCKET_SHARE = 1_407_580 / 9_249_729
"""Visitors of Retailrocket's log for each session of YOOCHOOSE's."""

MEMORY_MB = 10_000
CONTESTANTS = ("polars", "duckdb", "spark")
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "yoochoose": {
        "events": {"format": "yoochoose", "max_rejected": 0.001, "drop_duplicates": True},
        "sessions": {"by": "session", "cost": "purchases", "open_horizon_hours": 1},
        "windows": {"timezone": "UTC"},
    },
    "retailrocket": {
        "events": {"format": "retailrocket", "max_rejected": 0.001, "drop_duplicates": True},
        "sessions": {"by": "visitor", "cost": "event", "open_horizon_hours": 24},
        "windows": {"timezone": "America/Chicago"},
    },
}
SPLIT = {"gap_minutes": None, "split": {"by": "time", "shares": [0.8, 0.1, 0.1]}, "seed": 0}
WINDOWS = {"length": 100, "minimum_item_count": 5, "keep_open": False}


@dataclass
class Times:
    """What one thing took in each round: seconds, megabytes at most, seconds of Spark's start."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)


def memory_of(process: psutil.Process) -> float:
    """Return the megabytes that a process and its children hold now, shared ones by their share."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


def measure(times: Times, command: list[str], environment: dict[str, str]) -> None:
    """Run a command to its end and note what it took; a failure ends the benchmark."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    peak = [0.0]

    def watch() -> None:
        # Seldom, as to look costs the watched process time.
        while process.poll() is None:
            try:
                peak[0] = max(peak[0], memory_of(psutil.Process(process.pid)))
            except psutil.Error:
                return
            time.sleep(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = process.communicate()[0]
    seconds = time.perf_counter() - began
    watcher.join()
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    times.seconds.append(seconds)
    times.memory.append(peak[0])
    times.start += [float(line.split()[1]) for line in said.splitlines() if line.startswith("start-up")]


def simulated(folder: Path, shop: str, sessions: int) -> Path:
    """Return a simulated log, made if it is not there."""
    raw = folder / f"{shop}-{sessions}"
    if not raw.exists():
        settings = json.dumps({"format": shop, "sessions": sessions, "seed": 0})
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "rabbithole",
            "simulate",
            "--settings",
            settings,
            "--output",
            str(raw),
        ]
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in raw.iterdir() if path.suffix in (".dat", ".csv")) / 1e6
        print(f"{shop}: simulated {sessions:,} sessions, {size:,.0f} MB at {size / seconds:,.0f} MB/s")
    return raw


def stages(found: dict[str, Times], raw: Path, shop: str, folder: Path, threads: int) -> None:
    """Time our three whole stages on a log."""
    spark = json.dumps({"master": "local", "conf": {}, "threads": threads, "memory_mb": MEMORY_MB})
    place = {name: str(folder / name) for name in ("events", "rejected", "sessions", "windows")}
    extra = {"events": {"source": str(raw)}, "sessions": SPLIT, "windows": WINDOWS}
    paths = {
        "events": ["--output", place["events"], "--rejected", place["rejected"]],
        "sessions": ["--events", place["events"], "--output", place["sessions"]],
        "windows": ["--sessions", place["sessions"], "--output", place["windows"]],
    }
    for stage, settings in SETTINGS[shop].items():
        given = json.dumps(settings | extra[stage])
        command = [sys.executable, "-m", "rabbithole", stage, "--settings", given, "--spark", spark]
        measure(found.setdefault(f"{shop}: {stage}", Times()), command + paths[stage], {})


def show(title: str, found: dict[str, Times], peer: float | None) -> None:
    """Print a table: median and range of seconds, ratio to the peer's, memory."""
    table = Table(title=title)
    for column in ("", "seconds", "range", "to Polars", "MB at most", "of it Spark's start"):
        table.add_column(column, justify="left" if not column else "right")
    for name, times in found.items():
        middle = statistics.median(times.seconds)
        table.add_row(
            name,
            f"{middle:.1f}",
            f"{min(times.seconds):.1f} to {max(times.seconds):.1f}",
            f"{middle / peer:.2f}" if peer else "",
            f"{max(times.memory):,.0f}",
            f"{statistics.median(times.start):.1f}" if times.start else "",
        )
    Console(width=100).print(table)


def main(
    sessions: Annotated[int, typer.Option(help="Sessions of YOOCHOOSE's log.")] = 9_249_729,
    rounds: int = 3,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Where logs and outputs lie.")] = Path("bench"),
) -> None:
    """Run everything in turn, several times, and print the tables."""
    folder.mkdir(exist_ok=True)
    raw = simulated(folder, "yoochoose", sessions)
    visitors = simulated(folder, "retailrocket", round(sessions * RETAILROCKET_SHARE))
    same: dict[str, Times] = {}
    whole: dict[str, Times] = {}
    environment = {"THREADS": str(threads), "PYTHONPATH": str(Path(sys.prefix) / "benchmarks")}
    for _ in range(rounds):
        for name in CONTESTANTS:
            output = folder / name
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            command = [sys.executable, str(HERE / f"etl/{name}_etl.py"), str(raw), str(output)]
            measure(same.setdefault(name, Times()), command, environment)
        for log, shop in ((raw, "yoochoose"), (visitors, "retailrocket")):
            stages(whole, log, shop, folder / f"{shop}-stages", threads)
    for name in ("polars", "duckdb"):
        command = [sys.executable, str(HERE / "etl/compare.py"), str(folder / "spark"), str(folder / name)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        print(f"spark and {name}: {done.stdout.strip() or done.stderr}")
        if done.returncode:
            sys.exit(1)
    peer = statistics.median(same["polars"].seconds)
    show(f"The same work, {sessions:,} sessions, {threads} cores", same, peer)
    ours = [name for name in whole if name.startswith("yoochoose")]
    together = [sum(round_) for round_ in zip(*(whole[name].seconds for name in ours), strict=True)]
    whole["yoochoose: all three"] = Times(together, [max(max(whole[name].memory) for name in ours)])
    show("Our whole stages", whole, peer)


if __name__ == "__main__":
    typer.run(main)
