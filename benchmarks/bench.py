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

from figures import VARIABLE, Figure, recorded

from rabbithole.machine import core_count, memory_bytes, processor_name

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
    return (
        f"{platform.node()}: {processor_name()}, {core_count()} cores, {memory_bytes() / 2**30:.0f} GiB, "
        f"{platform.system()} {platform.release()}. Load at the end: {os.getloadavg()[0]:.1f}."
    )


def versions() -> str:
    """Return the versions of Python, of the environment's libraries and of the rivals."""
    texts = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            texts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    for folder, names in RIVALS.items():
        path = [str(Path(sys.prefix) / folder)]
        texts += [
            f"{rival.name} {rival.version}" for rival in distributions(path=path) if rival.name in names
        ]
    return ", ".join(texts) + "."


if __name__ == "__main__":
    main()
