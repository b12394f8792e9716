"""Time `rabbithole stream` on one core: events a second, time from line in to line out, memory.

    python benchmarks/bench_stream.py results/yoochoose gru dilated_conv --events 1000000
    python benchmarks/bench_stream.py results/yoochoose gru --log user_behavior_2h.csv --format taobao

`results/yoochoose` is a data set's folder after a run; the models in it are packaged for the benchmark. The
stream has one core to itself. This program writes the lines and reads the answers on another one. It measures
first as many events as the stream takes, with its memory at ten points, then events at fixed rates: the time
from the moment at which an event was due to its answer. Waiting behind other events counts, so a rate that
the stream cannot keep shows as a long time. Linux only.
"""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from figures import record
from live_events import log_lines, simulated_lines
from numpy.typing import NDArray

from rabbithole.serving.folder import load_folder
from rabbithole.serving.package import package_chosen

BLOCK = 500
"""Lines that are written at once where the stream takes as many as it can."""

MEMORY_EVERY = 10_000
"""Answers between two looks at the memory."""


def main(
    results: Annotated[Path, typer.Argument(help="A data set's folder with trained models.")],
    models: Annotated[list[str], typer.Argument(help="Models to stream with.")],
    events: Annotated[int, typer.Option(help="Simulated events.")] = 1_000_000,
    rates: Annotated[str, typer.Option(help="Events a second, separated by commas.")] = "1000,5000",
    seconds: Annotated[float, typer.Option(help="How long each rate lasts.")] = 30.0,
    log: Annotated[Path | None, typer.Option(help="A raw log to stream instead of simulated events.")] = None,
    format: Annotated[str | None, typer.Option(help="Its format (default: as the models' own).")] = None,
) -> None:
    """Stream with each model in turn and print the figures."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    for model in models:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "model"
            package_chosen(results, model=model, seed=0, output=path)
            folder = load_folder(path)
            if log is None:
                lines = islice(simulated_lines(folder), events)
            else:
                lines = iter(log_lines(folder, log, format, Path(temporary)))
            print(f"{model}, load of the machine before: {os.getloadavg()[0]:.1f}")
            # The first events serve the fixed rates, too.
            speeds = [int(rate) for rate in rates.split(",")]
            first = list(islice(lines, round(max(speeds) * seconds)))
            stream = Stream(path, cores[0])
            stream.saturate(first, lines)
            speed = f"{stream.answered / stream.seconds:,.0f} events per second"
            print(f"  {speed} ({stream.answered:,} events)")
            name = model if log is None else f"{model}, {log.name}"
            record(f"stream, {name}", f"{speed}, {stream.memory[-1][1]:,.0f} MB at the end")
            points = stream.memory[:: max(1, len(stream.memory) // 10)]
            print("  memory: " + ", ".join(f"{memory:,.0f} MB after {count:,}" for count, memory in points))
            for rate in speeds:
                stream = Stream(path, cores[0])
                latencies = stream.keep_rate(first[: round(rate * seconds)], rate)
                p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
                shares = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
                record(f"stream, {name}, at {rate:,} per second", shares)
                print(
                    f"  at {rate:,} per second: {shares}, "
                    f"longest {max(latencies) * 1e3:.0f} ms ({len(latencies):,} events)",
                    flush=True,
                )


@dataclass
class Stream:
    """A running `rabbithole stream` on one core.

    seconds: of all events; answered: events so far; arrivals: when answers came, and how many there were
    then; memory: of the process in MB, by answers.
    """

    path: Path
    core: int
    seconds: float = 0.0
    answered: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start it, and wait until it has answered a first event, so until all is compiled."""
        command = [sys.executable, "-m", "rabbithole", "stream", str(self.path)]
        self.process = subprocess.Popen(
            ["taskset", "--cpu-list", str(self.core), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.sink, self.source = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.write(self.sink, b'{"session_id": "first", "timestamp": "1990-01-01T00:00:00Z"}\n')
        self._read()
        self.answered = 0
        self.arrivals.clear()
        os.set_blocking(self.sink, False)

    def saturate(self, first: Sequence[bytes], rest: Iterator[bytes]) -> None:
        """Write all lines as fast as they are taken."""
        start, written = time.perf_counter(), 0
        for block in blocks(first, rest):
            written += len(block)
            self._write(b"".join(block))
        while self.answered < written:
            self._read()
        self.seconds = time.perf_counter() - start
        self._end()

    def keep_rate(self, lines: Sequence[bytes], rate: float) -> NDArray[np.float64]:
        """Write lines at a rate per second; return the seconds from the due moment of each to its answer."""
        start, written = time.perf_counter(), 0
        while self.answered < len(lines):
            due = min(int((time.perf_counter() - start) * rate) + 1, len(lines))
            if due > written:
                self._write(b"".join(lines[written:due]))
                written = due
            wait = start + written / rate - time.perf_counter() if written < len(lines) else 10.0
            if select.select([self.source], [], [], max(0.0, wait))[0]:
                self._read()
        self._end()
        moments, counts = zip(*self.arrivals, strict=True)
        answered_at = np.repeat(moments, np.diff(counts, prepend=0)) - start
        return answered_at - np.arange(len(lines)) / rate

    def _write(self, text: bytes) -> None:
        while text:
            readable, writable, _ = select.select([self.source], [self.sink], [])
            if readable:
                self._read()
            if writable:
                text = text[os.write(self.sink, text) :]

    def _read(self) -> None:
        chunk = os.read(self.source, 2**20)
        if not chunk:
            sys.exit(f"The stream ended with {self.process.wait()}.")
        self.answered += chunk.count(b"\n")
        self.arrivals.append((time.perf_counter(), self.answered))
        if not self.memory or self.answered >= self.memory[-1][0] + MEMORY_EVERY:
            used = psutil.Process(self.process.pid).memory_info().rss
            self.memory.append((self.answered, used / 1e6))

    def _end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        if self.process.wait():
            sys.exit(f"The stream ended with {self.process.returncode}.")


def blocks(first: Sequence[bytes], rest: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield all lines in blocks."""
    for start in range(0, len(first), BLOCK):
        yield first[start : start + BLOCK]
    lines = iter(rest)
    while block := list(islice(lines, BLOCK)):
        yield block


if __name__ == "__main__":
    typer.run(main)
