"""Run all benchmarks and write their figures to one table, with the machine and the versions.

    make bench                                  # the full size: about two hours on two cores
    make bench SESSIONS=500000 EVENTS=100000

The figures are in bench/figures.md.
"""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import psutil
from figures import VARIABLE, Figure, recorded

FOLDER = Path("bench")
BENCHMARKS = ("bench-etl", "bench-train", "bench-predict", "bench-stream", "bench-serve")
VERSIONS = ("rabbithole", "jax", "flax", "pyspark", "pyarrow", "scikit-learn")
RIVALS = {"benchmarks": ("polars", "duckdb"), "benchmarks-train": ("torch", "keras")}
"""Packages that are installed beside the environment, by folder."""


def main() -> None:
    """Run the benchmarks one after the other; exit 1 if any fails."""
    FOLDER.mkdir(exist_ok=True)
    rows: list[tuple[str, Figure]] = []
    failed = []
    for benchmark in BENCHMARKS:
        file = FOLDER / f"{benchmark}.jsonl"
        file.unlink(missing_ok=True)
        began = time.perf_counter()
        done = subprocess.run(["make", benchmark], env=os.environ | {VARIABLE: str(file.absolute())})
        minutes = (time.perf_counter() - began) / 60
        if done.returncode:
            failed.append(benchmark)
        end = "failed after" if done.returncode else "the benchmark took"
        rows += [(benchmark, figure) for figure in recorded(file)]
        rows.append((benchmark, Figure(name=end, value=f"{minutes:.1f} min")))
        table = [
            "| | | |",
            "|---|---|---|",
            *(f"| {name} | {row.name} | {row.value} |" for name, row in rows),
        ]
        # After each one, so that nothing is lost where a later one is stopped.
        text = f"# Benchmarks\n\n{machine()}\n\n{versions()}\n\n" + "\n".join(table) + "\n"
        (FOLDER / "figures.md").write_text(text, "utf-8")
    print(f"The figures: {FOLDER / 'figures.md'}")
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


def machine() -> str:
    """Return the machine's name, processor, memory, system and load in a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.node()}: {processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}. Load at the end: {os.getloadavg()[0]:.1f}."
    )


def processor() -> str:
    """Return the processor's name, as Linux has it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> str:
    """Return the versions of Python, of the environment's libraries and of the rivals."""
    found = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    for folder, names in RIVALS.items():
        path = [str(Path(sys.prefix) / folder)]
        found += [f"{each.name} {each.version}" for each in distributions(path=path) if each.name in names]
    return ", ".join(found) + "."


if __name__ == "__main__":
    main()
