"""Load `rabbithole serve` on loopback with Locust: requests a second, latency, errors.

    python benchmarks/bench_serve.py results/yoochoose gru dilated_conv

The server has one core to itself, Locust another one. Each request posts one event of a running session, and
its answer must count the session's events. Halfway the second model takes the place of the first in its
folder: no request may fail, and no session may lose its events. Any error ends the benchmark with 1. Linux
only.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from figures import record

from rabbithole.serving.package import package_chosen

ADDRESS = "http://127.0.0.1:8765"


def main(
    results: Annotated[Path, typer.Argument(help="A data set's folder with trained models.")],
    first: Annotated[str, typer.Argument(help="Model to begin with.")],
    second: Annotated[str, typer.Argument(help="Model that takes its place.")],
    users: Annotated[int, typer.Option(help="Clients at once.")] = 32,
    seconds: Annotated[int, typer.Option(help="How long.")] = 60,
) -> None:
    """Serve the model, load the server, and print Locust's table."""
    here = Path(__file__).parent
    core, other = sorted(os.sched_getaffinity(0))[:2]
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        served, successor = Path(temporary) / "served", Path(temporary) / "successor"
        package_chosen(results, model=first, seed=0, output=served)
        package_chosen(results, model=second, seed=0, output=successor)
        serve = [sys.executable, "-m", "rabbithole", "serve", f"shop={served}", "--port", "8765"]
        server = subprocess.Popen(["taskset", "--cpu-list", str(core), *serve])
        try:
            wait_until_ready(server)
            exchange = threading.Timer(seconds / 2, replace, (served, successor))
            exchange.start()
            load = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--reset-stats"]
            load += ["-f", str(here / "locust_events.py"), "-H", ADDRESS]
            load += ["-u", str(users), "-r", str(users), "-t", f"{seconds}s"]
            load += ["--csv", str(Path(temporary) / "load")]
            done = subprocess.run(["taskset", "--cpu-list", str(other), *load])
            exchange.join()
            with urllib.request.urlopen(f"{ADDRESS}/ready") as answer:
                now = json.load(answer)[0]["model"]
            record_load(Path(temporary) / "load_stats.csv")
        finally:
            server.terminate()
            server.wait()
    print(f"Served at the end: {now}.")
    sys.exit(done.returncode or now != second)


def record_load(path: Path) -> None:
    """Record the last line of Locust's table, that of all requests."""
    with path.open(encoding="utf-8") as file:
        whole = list(csv.DictReader(file))[-1]
    record(
        f"serve, {int(whole['Request Count']):,} requests, {whole['Failure Count']} failed",
        f"{float(whole['Requests/s']):,.0f} requests/s, p50 {whole['50%']} ms, p99 {whole['99%']} ms",
    )


def replace(served: Path, successor: Path) -> None:
    """Put another model into the folder of the one in use."""
    served.rename(served.with_name("former"))
    successor.rename(served)


def wait_until_ready(server: "subprocess.Popen[bytes]") -> None:
    """Return when the server answers."""
    while server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{ADDRESS}/ready"):
            return
        time.sleep(0.2)
    sys.exit(f"The server ended with {server.returncode}.")


if __name__ == "__main__":
    typer.run(main)
