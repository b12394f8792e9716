"""Faults on a Spark cluster of two workers. The results must equal those of an undisturbed build.

make cluster-faults
"""

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
from cluster_builds import MANIFESTS, build
from spark_cluster import Cluster, standalone_cluster

from rabbithole.io.digests import part_of
from rabbithole.simulator.write import simulate
from rabbithole.specs.data import SimulateSpec, SparkOptions

PARTS = 24
"""Parts of each folder: enough for a fault to come while others are still to be written."""

WAIT_SECONDS = 120

EAGER = {
    "spark.speculation": "true",
    "spark.speculation.interval": "50ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "100ms",
}


def options(master: str, **conf: str) -> SparkOptions:
    """Return Spark options with which a small log has many parts."""
    # Workers must connect to the driver by this address, not by the name of the machine.
    conf = {"spark.driver.host": "127.0.0.1", "spark.executor.memory": "800m", **conf}
    # A lost executor gets no further requests for what it held.
    conf |= {"spark.shuffle.io.maxRetries": "1", "spark.shuffle.io.retryWait": "200ms"}
    return SparkOptions(master=master, conf=conf, threads=PARTS, memory_mb=1000)


def start(raw: Path, folder: Path, spark: SparkOptions) -> BaseProcess:
    """Build in another process: this one may have a Spark session already."""
    process = multiprocessing.get_context("spawn").Process(target=build, args=(raw, folder, spark))
    process.start()
    return process


def outcome(folder: Path) -> dict[str, dict[str, Any]]:
    """Return all manifests, after a check of their files. Parts do not have the name of their attempt."""
    manifests = {name: kind.of(folder / name).model_dump() for name, kind in MANIFESTS.items()}
    for manifest in manifests.values():
        manifest["files"] = {part_of(name): file for name, file in manifest["files"].items()}
    return manifests


def unnamed_files(folder: Path) -> list[str]:
    """Return the files that no manifest names."""
    named, below = set(), []
    for name, kind in MANIFESTS.items():
        named |= {folder / name / file for file in kind.read(folder / f"{name}.json").files}
        below += [path for path in (folder / name).rglob("*") if path.is_file()]
    return [str(path) for path in below if path not in named]


def executor(cluster: Cluster) -> psutil.Process:
    """Return the JVM of the first executor."""
    return cluster.workers[0].children()[0]


def python_workers(cluster: Cluster) -> list[psutil.Process]:
    """Return the Python processes of the first executor."""
    return executor(cluster).children(recursive=True)


@contextmanager
def worker_killed(cluster: Cluster) -> Iterator[None]:
    """Kill a worker with its executor, as if its machine was lost."""
    for process in [cluster.workers[0], *cluster.workers[0].children(recursive=True)]:
        process.kill()
    yield


@contextmanager
def executor_killed(cluster: Cluster) -> Iterator[None]:
    """Kill an executor as the kernel does when memory runs out. Its worker starts another."""
    executor(cluster).kill()
    yield


@contextmanager
def python_killed(cluster: Cluster) -> Iterator[None]:
    """Kill the Python workers of an executor as the kernel does when memory runs out."""
    for process in python_workers(cluster):
        process.kill()
    yield


@contextmanager
def task_stopped(cluster: Cluster) -> Iterator[None]:
    """Let the tasks of an executor stand still until the stage has ended without them, then go on."""
    stopped = python_workers(cluster)
    for process in stopped:
        process.suspend()
    yield
    for process in stopped:
        if process.is_running():
            process.resume()


Fault = Callable[[Cluster], AbstractContextManager[None]]

FAULTS: dict[str, Fault] = {
    "a worker killed": worker_killed,
    "an executor killed (out of memory)": executor_killed,
    "Python workers killed (out of memory)": python_killed,
    "a task that stands still, with speculation": task_stopped,
}


def wait_until(process: BaseProcess, happened: Callable[[], object]) -> None:
    """Wait for something while a build runs; fail if the build ends without it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_first_part(process: BaseProcess, folder: Path, stage: str) -> None:
    """Wait until a build has begun to write the parts of a stage."""
    wait_until(process, lambda: any((folder / stage).rglob("part-*")))


def disturb(process: BaseProcess, folder: Path, stage: str, fault: Fault, cluster: Cluster) -> None:
    """Let a fault happen while a build writes the parts of a stage, and wait until the stage has ended."""
    wait_for_first_part(process, folder, stage)
    with fault(cluster):
        assert not (folder / f"{stage}.json").exists(), f"the fault came after {stage}"
        wait_until(process, (folder / f"{stage}.json").exists)


def kill_driver(process: BaseProcess, folder: Path, stage: str) -> None:
    """Kill a build and its JVM while it writes the parts of a stage."""
    wait_for_first_part(process, folder, stage)
    driver = psutil.Process(process.pid)
    for each in [*driver.children(recursive=True), driver]:
        each.send_signal(signal.SIGKILL)
    process.join()
    assert not (folder / f"{stage}.json").exists(), f"the driver was killed after {stage}"


def finish(process: BaseProcess, folder: Path, expected: dict[str, dict[str, Any]]) -> None:
    """Wait for a build and compare it with an undisturbed one."""
    process.join()
    assert process.exitcode == 0
    assert outcome(folder) == expected


def main() -> None:
    """Let each fault happen in each stage; print a line for each."""
    with tempfile.TemporaryDirectory(prefix="rabbithole-cluster-faults-") as temporary:
        raw, number = Path(temporary, "raw"), 0
        simulate(SimulateSpec(shop="yoochoose", sessions=20_000, seed=1), output=raw)
        undisturbed = Path(temporary, "undisturbed")
        start(raw, undisturbed, options("local[2]")).join()
        expected = outcome(undisturbed)
        for stage in ("events", "sessions", "windows"):
            for name, fault in {**FAULTS, "the driver killed, and run again": None}.items():
                number += 1
                folder = Path(temporary, str(number))
                folder.mkdir()
                with standalone_cluster(folder) as cluster:
                    spark = options(cluster.address, **EAGER if fault is task_stopped else {})
                    began = time.monotonic()
                    process = start(raw, folder, spark)
                    if fault is not None:
                        disturb(process, folder, stage, fault, cluster)
                    else:
                        kill_driver(process, folder, stage)
                        process = start(raw, folder, spark)
                    finish(process, folder, expected)
                left = len(unnamed_files(folder))
                seconds = time.monotonic() - began
                print(f"{stage}: {name}: same bytes, {left} files of other attempts left, {seconds:.0f} s")


if __name__ == "__main__":
    main()
