"""Time the same pipeline in four ways, then our three stages, and the events of a log of tables.

The four: Polars, DuckDB, plain Spark DataFrames (`dataframe`), and our own Spark code (`spark`).

The pipeline turns a raw YOOCHOOSE log into a list of steps per session. A log in REES46's layout, with as
many rows as YOOCHOOSE's, is read from CSV and from Parquet.

    make bench-etl                      # the full size, three rounds: about twenty-five minutes
    make bench-etl SESSIONS=1000000

Prints the median time of each, its range, its ratio to Polars, and the peak memory of its processes (the sum
of proportional set sizes). The outputs are compared row by row. Logs are simulated once.
"""

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer
from etl.rees46_log import write_log
from figures import record
from rich.console import Console
from rich.table import Table

from rabbithole.config.datasets import Dataset
from rabbithole.formats.base import raw_format
from rabbithole.job_lifetime import PARENT, parent_id
from rabbithole.specs.base import Spec
from rabbithole.specs.data import (
    EventsSpec,
    SessionsPurpose,
    SessionsSpec,
    SimulateSpec,
    SparkOptions,
    SplitSpec,
    WindowsSpec,
)

HERE = Path(__file__).parent
RETAILROCKET_SHARE = 1_407_580 / 9_249_729
"""Visitors of the Retailrocket log per session of the YOOCHOOSE log."""

MEMORY_MB = 10_000

PR_SET_CHILD_SUBREAPER = 36
"""Source: Linux, prctl.h."""

STEP = [sys.executable, "-m", "rabbithole", "step"]
CONTESTANTS = ("polars", "duckdb", "dataframe", "spark")


@dataclass
class Times:
    """Seconds, peak megabytes and seconds of Spark's start-up, by round."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, such as a JVM that a step leaves to the next."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def memory_of_children() -> float:
    """Return the memory of all processes below this one in MB; shared memory counts proportionally."""
    total = 0
    for member in psutil.Process().children(recursive=True):
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


def measure(times: Times, command: list[str], environment: dict[str, str]) -> str:
    """Run a command, record its time and memory, and return what it prints; a failure ends the benchmark."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    peak = [0.0]

    def watch() -> None:
        # Only once a second: reading the memory slows the process down.
        while process.poll() is None:
            try:
                peak[0] = max(peak[0], memory_of_children())
            except psutil.Error:
                return
            time.sleep(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    times.seconds.append(seconds)
    times.memory.append(peak[0])
    times.start += [float(line.split()[1]) for line in output.splitlines() if line.startswith("start-up")]
    return output


def simulated(folder: Path, shop: str, sessions: int) -> Path:
    """Return a simulated log; write it if it does not exist."""
    raw = folder / f"{shop}-{sessions}"
    if not raw.exists():
        spec = SimulateSpec(shop=shop, sessions=sessions, seed=0)
        start = time.perf_counter()
        subprocess.run([*STEP, "simulate", "--spec", spec.to_json(), "--output", str(raw)], check=True)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in raw.iterdir() if path.suffix in (".dat", ".csv")) / 1e6
        print(f"{shop}: simulated {sessions:,} sessions, {size:,.0f} MB at {size / seconds:,.0f} MB/s")
    return raw


def stage_specs(shop: str, raw: Path) -> dict[str, Spec]:
    """Return the specs of our three stages for a log."""
    defaults = raw_format(shop).defaults
    return {
        "events": EventsSpec(format=shop, source=str(raw), max_rejected=0.001, drop_duplicates=True),
        "sessions": SessionsSpec(
            **defaults["sessions"],
            gap_minutes=None,
            until="purchase",
            minimum_events=1,
            sample=1.0,
            split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
            seed=0,
        ),
        "windows": WindowsSpec(
            length=100, minimum_item_count=5, fields=None, timezone=defaults["timezone"], keep_open=False
        ),
    }


def time_stages(times: dict[str, Times], raw: Path, shop: str, folder: Path, threads: int) -> None:
    """Time our three stages on a log, as steps of one run: each leaves its JVM to the next."""
    spark = SparkOptions(threads=threads, memory_mb=MEMORY_MB).to_json()
    folders = {name: str(folder / name) for name in ("events", "rejected", "sessions", "windows")}
    paths = {
        "events": ["--output", folders["events"], "--rejected", folders["rejected"]],
        "sessions": [
            *("--events", folders["events"], "--output", folders["sessions"]),
            *("--purpose", SessionsPurpose(buyers=True, keep_open=False).to_json()),
        ],
        "windows": ["--sessions", folders["sessions"], "--output", folders["windows"]],
    }
    for stage, spec in stage_specs(shop, raw).items():
        command = [*STEP, stage, "--spec", spec.to_json(), "--spark", spark]
        measure(times.setdefault(f"{shop}: {stage}", Times()), command + paths[stage], {PARENT: parent_id()})


def rees46_specs(folder: Path, rows: int) -> dict[str, EventsSpec]:
    """Return the specs of the stage `events` for a log in REES46's layout; write the log if needed."""
    log = folder / f"rees46-{rows}"
    write_log(log, rows)
    specs = {}
    for kind in ("csv", "parquet"):
        dataset = Dataset.model_validate(
            {"format": "rees46", "source": str(log / kind), "table": {"events": {"files": f"*.{kind}"}}}
        )
        specs[f"rees46: events ({kind})"] = EventsSpec(
            format=dataset.format,
            source=dataset.source,
            max_rejected=dataset.max_rejected,
            drop_duplicates=dataset.drop_duplicates,
            table=dataset.table_log,
        )
    return specs


def time_events(times: Times, spec: EventsSpec, folder: Path, threads: int) -> None:
    """Time the stage `events` on a log."""
    spark = SparkOptions(threads=threads, memory_mb=MEMORY_MB).to_json()
    places = ["--output", str(folder / "events"), "--rejected", str(folder / "rejected")]
    measure(times, [*STEP, "events", "--spec", spec.to_json(), "--spark", spark, *places], {})


def show(title: str, results: dict[str, Times], ratio: str, reference: float) -> None:
    """Print a table: median and range of seconds, their ratio to a reference, memory.

    ratio: the title of that column; reference: in seconds.
    """
    table = Table(title=title)
    for column in ("", "seconds", "range", ratio, "peak MB", "Spark's start-up"):
        table.add_column(column, justify="left" if not column else "right")
    for name, times in results.items():
        median = statistics.median(times.seconds)
        spread = f"{min(times.seconds):.1f} to {max(times.seconds):.1f}"
        record(f"{title}: {name}", f"{median:.1f} s ({spread}), {median / reference:.2f} {ratio}")
        table.add_row(
            name,
            f"{median:.1f}",
            spread,
            f"{median / reference:.2f}",
            f"{max(times.memory):,.0f}" if times.memory else "",
            f"{statistics.median(times.start):.1f}" if times.start else "",
        )
    Console(width=100).print(table)


def main(
    sessions: Annotated[int, typer.Option(help="Sessions of YOOCHOOSE's log.")] = 9_249_729,
    rounds: int = 3,
    threads: int = 2,
    folder: Annotated[Path, typer.Option(help="Folder of logs and outputs.")] = Path("bench"),
) -> None:
    """Run all contestants and stages in turn, several times, and print the tables."""
    folder.mkdir(exist_ok=True)
    adopt_orphans()
    raw = simulated(folder, "yoochoose", sessions)
    visitors = simulated(folder, "retailrocket", round(sessions * RETAILROCKET_SHARE))
    rows = sum(1 for name in ("clicks", "buys") for _ in (raw / f"yoochoose-{name}.dat").open("rb"))
    tables = rees46_specs(folder, rows)
    libraries: dict[str, Times] = {}
    stages: dict[str, Times] = {}
    environment = {"THREADS": str(threads), "PYTHONPATH": str(Path(sys.prefix) / "benchmarks")}
    for _ in range(rounds):
        for name in CONTESTANTS:
            output = folder / name
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            command = [sys.executable, str(HERE / f"etl/{name}_etl.py"), str(raw), str(output)]
            measure(libraries.setdefault(name, Times()), command, environment)
        for log, shop in ((raw, "yoochoose"), (visitors, "retailrocket")):
            time_stages(stages, log, shop, folder / f"{shop}-stages", threads)
        for name, table in tables.items():
            time_events(stages.setdefault(name, Times()), table, folder / "rees46-stages", threads)
    for name in CONTESTANTS[:-1]:
        command = [sys.executable, str(HERE / "etl/compare.py"), str(folder / "spark"), str(folder / name)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        print(f"spark and {name}: {done.stdout.strip() or done.stderr}")
        if done.returncode:
            sys.exit(1)
    polars = statistics.median(libraries["polars"].seconds)
    show(f"The same work, {sessions:,} sessions, {threads} cores", libraries, "to Polars", polars)
    ours = [name for name in stages if name.startswith("yoochoose")]
    sums = [sum(seconds) for seconds in zip(*(stages[name].seconds for name in ours), strict=True)]
    stages["yoochoose: all three"] = Times(sums, [max(max(stages[name].memory) for name in ours)])
    show("Our stages", stages, "to Polars", polars)
    reference = statistics.median(stages["yoochoose: events"].seconds)
    for name in tables:
        ratio = statistics.median(stages[name].seconds) / reference
        print(f"{name}: {ratio:.2f} times YOOCHOOSE's events, {rows:,} rows each")


if __name__ == "__main__":
    typer.run(main)
