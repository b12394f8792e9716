"""A standalone Spark cluster and a Spark Connect server on the loopback interface, from the pip package."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyspark

SPARK = Path(pyspark.__file__).parent
WAIT_SECONDS = 60
BINDING = {"address": "127.0.0.1", "port": "0"}
HOSTS = ("127.0.0.1", "localhost")
"""Of the workers. Spark runs no second attempt at a task on the host of the first."""


@contextmanager
def daemon(log: Path, *arguments: str) -> Iterator[psutil.Process]:
    """Run a Spark daemon, named by its class, until the block ends."""
    environment = os.environ | {"SPARK_DAEMON_MEMORY": "512m", "SPARK_LOCAL_IP": "127.0.0.1"}
    environment["PYSPARK_PYTHON"] = sys.executable
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SPARK / "bin/spark-class"), *arguments], stdout=output, stderr=output, env=environment
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def wait_for(log: Path, pattern: str, times: int = 1) -> str:
    """Wait until a log matches a pattern some times; return the first match."""
    for _ in range(WAIT_SECONDS * 10):
        if len(matches := re.findall(pattern, log.read_text())) >= times:
            return str(matches[0])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster. address: of its master; workers: the processes that start executors."""

    address: str
    workers: list[psutil.Process]


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a master and two workers with one core each."""
    master = folder / "master.log"
    ports = ["--port", "0", "--webui-port", "0"]
    with ExitStack() as stack:
        binding = ["--host", HOSTS[0], *ports]
        stack.enter_context(daemon(master, "org.apache.spark.deploy.master.Master", *binding))
        address = wait_for(master, r"Starting Spark master at (spark://\S+)")
        workers = []
        for number, host in enumerate(HOSTS):
            limits = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}")]
            binding = ["--host", host, *ports, *limits]
            worker = ["org.apache.spark.deploy.worker.Worker", *binding, address]
            workers.append(stack.enter_context(daemon(folder / f"worker-{number}.log", *worker)))
        wait_for(master, "Registering worker", times=2)
        yield Cluster(address, workers)


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Start a Spark Connect server with two threads; yield its address."""
    log = folder / "server.log"
    conf = {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false"}
    conf |= {f"spark.connect.grpc.binding.{key}": value for key, value in BINDING.items()}
    options = [option for key, value in conf.items() for option in ("--conf", f"{key}={value}")]
    server = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with daemon(log, "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]", *options, *server):
        port = wait_for(log, r"SparkConnectService' on port (\d+)")
        wait_for(log, "Spark Connect server started")
        yield f"sc://127.0.0.1:{port}"
