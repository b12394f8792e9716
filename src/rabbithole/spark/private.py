"""The only uses of PySpark's private API. No public API does this."""

from pyspark import SparkContext
from pyspark.sql import SparkSession

from rabbithole.spark.kept_jvm import Jvm


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


def started_jvm(log: int) -> Jvm | None:
    """Return the JVM that this process started, None without one. log: the file of its output."""
    gateway = SparkContext._gateway
    if gateway is None or gateway.proc is None:
        return None
    parameters = gateway.gateway_parameters
    return Jvm(parameters.port, parameters.auth_token, gateway.proc.stdin.fileno(), log)


def shrink_jvm() -> None:
    """Let the JVM collect its garbage, and give back the memory that it does not need."""
    gateway = SparkContext._gateway
    assert gateway is not None
    gateway.jvm.System.gc()


def forget_jvm() -> None:
    """Close this process's connections to its JVM, which belongs to another process from now on."""
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.close()
        if gateway.proc is not None:
            gateway.proc.stdin.close()
    SparkContext._gateway = SparkContext._jvm = None
