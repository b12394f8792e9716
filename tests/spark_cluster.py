"""A real standalone Spark cluster on loopback, from the pip package: a master and two workers."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

SPARK = Path(pyspark.__file__).parent
SECONDS = 60


@contextmanager
def daemon(log: Path, *arguments: str) -> Iterator[None]:
    """Run one of Spark's classes until the block ends."""
    environment = os.environ | {"SPARK_DAEMON_MEMORY": "512m", "SPARK_LOCAL_IP": "127.0.0.1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SPARK / "bin/spark-class"), *arguments], stdout=output, stderr=output, env=environment
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def told(log: Path, pattern: str, times: int = 1) -> str:
    """Wait until a pattern stands in a log so many times; return what its group found."""
    for _ in range(SECONDS * 10):
        if len(found := re.findall(pattern, log.read_text())) >= times:
            return str(found[0])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """Yield the address of a master with two workers of one core each."""
    master = folder / "master.log"
    where = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    with ExitStack() as stack:
        stack.enter_context(daemon(master, "org.apache.spark.deploy.master.Master", *where))
        address = told(master, r"Starting Spark master at (spark://\S+)")
        for number in range(2):
            limits = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}")]
            worker = ["org.apache.spark.deploy.worker.Worker", *where, *limits, address]
            stack.enter_context(daemon(folder / f"worker-{number}.log", *worker))
        told(master, "Registering worker", times=2)
        yield address
