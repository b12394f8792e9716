"""Spark daemons on loopback, from the pip package: a standalone cluster and a Connect server."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

SPARK = Path(pyspark.__file__).parent
SECONDS = 60
ADDRESS = {"address": "127.0.0.1", "port": "0"}


@contextmanager
def daemon(log: Path, *arguments: str) -> Iterator[None]:
    """Run one of Spark's classes until the block ends."""
    environment = os.environ | {"SPARK_DAEMON_MEMORY": "512m", "SPARK_LOCAL_IP": "127.0.0.1"}
    environment["PYSPARK_PYTHON"] = sys.executable
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SPARK / "bin/spark-class"), *arguments], stdout=output, stderr=output, env=environment
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(log: Path, pattern: str, times: int = 1) -> str:
    """Wait until a pattern is in a log a number of times; return its first match."""
    for _ in range(SECONDS * 10):
        if len(matches := re.findall(pattern, log.read_text())) >= times:
            return str(matches[0])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """Yield the address of a master with two workers of one core each."""
    master = folder / "master.log"
    where = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    with ExitStack() as stack:
        stack.enter_context(daemon(master, "org.apache.spark.deploy.master.Master", *where))
        address = wait_for(master, r"Starting Spark master at (spark://\S+)")
        for number in range(2):
            limits = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}")]
            worker = ["org.apache.spark.deploy.worker.Worker", *where, *limits, address]
            stack.enter_context(daemon(folder / f"worker-{number}.log", *worker))
        wait_for(master, "Registering worker", times=2)
        yield address


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Yield the address of a Spark Connect server that runs on two threads of its own."""
    log = folder / "server.log"
    conf = {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false"}
    conf |= {f"spark.connect.grpc.binding.{key}": value for key, value in ADDRESS.items()}
    options = [option for key, value in conf.items() for option in ("--conf", f"{key}={value}")]
    server = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with daemon(log, "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]", *options, *server):
        port = wait_for(log, r"SparkConnectService' on port (\d+)")
        wait_for(log, "Spark Connect server started")
        yield f"sc://127.0.0.1:{port}"
