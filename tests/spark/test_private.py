"""The private API of PySpark that `rabbithole.spark.private` uses is still what it was."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.spark

PROGRAM = """
from pyspark import SparkContext
from rabbithole.spark.private import end_jvm
from rabbithole.spark.session import spark_session
from rabbithole.specs.spark import SparkOptions

with spark_session(SparkOptions(threads=1, memory_mb=1000), "test") as session:
    context = session.sparkContext
    # Set by the session's start; an attribute that PySpark itself no longer has would be there all the same.
    assert "_accumulatorServer" in SparkContext.__init__.__globals__["SparkContext"]._do_init.__code__.co_names
    assert context._accumulatorServer is None
    server = context._gateway.proc
assert server.poll() is None
end_jvm()
assert server.poll() == 0
"""


def test_a_session_stops_without_its_accumulator_server_and_the_jvm_ends() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
