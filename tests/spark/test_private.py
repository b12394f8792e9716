"""The private API of PySpark that `rabbithole.spark.private` uses still works."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.spark

PROGRAM = """
from pyspark import SparkContext
from rabbithole.spark import private, session
from rabbithole.specs.data import SparkOptions

def stop_and_check(spark):
    assert spark.sparkContext._accumulatorServer is not None
    private.stop_polling_accumulators(spark)
    assert spark.sparkContext._accumulatorServer is None

session.stop_polling_accumulators = stop_and_check
with session.spark_session(SparkOptions(threads=1, memory_mb=1000), "test") as spark:
    assert spark.range(3).count() == 3
jvm = SparkContext._gateway.proc
assert jvm.poll() is None
private.end_jvm()
assert jvm.poll() == 0
"""


def test_the_accumulator_server_is_removed_and_the_jvm_ends() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
