"""The only uses of PySpark's private API. No public API does this."""

from pyspark import SparkContext
from pyspark.sql import SparkSession


def stop_polling_accumulators(session: SparkSession) -> None:
    """Drop the accumulator server of a classic session, so that the session stops at once.

    The server polls once a second, and stopping it waits for the next poll. No step uses accumulators.
    """
    session.sparkContext._accumulatorServer = None  # type: ignore[assignment]


def end_jvm() -> None:
    """End the JVM of this process and wait for it, so that it writes its class archive on exit."""
    gateway = SparkContext._gateway
    assert gateway is not None
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
