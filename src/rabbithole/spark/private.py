"""The only uses of PySpark's private API. No public API does this."""

import gc
import os
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
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


def started_jvm(folder: Path, lock: int) -> Jvm:
    """Return the JVM that this process started, with a descriptor of its own of the JVM's standard input.

    folder: of its files; lock: of the folder.
    """
    gateway = SparkContext._gateway
    assert gateway is not None
    parameters, process = gateway.gateway_parameters, gateway.proc
    stdin = os.dup(process.stdin.fileno())
    return Jvm(process.pid, parameters.port, parameters.auth_token, folder, stdin, lock)


def join_context(jvm: Jvm) -> None:
    """Make the Spark context of a JVM that another step left this process's own."""
    os.environ["PYSPARK_GATEWAY_PORT"] = str(jvm.port)
    os.environ["PYSPARK_GATEWAY_SECRET"] = jvm.secret
    gateway = launch_gateway()
    context = gateway.jvm.JavaSparkContext.fromSparkContext(
        gateway.jvm.org.apache.spark.SparkContext.getOrCreate()
    )
    SparkContext(gateway=gateway, jsc=context, conf=SparkConf(_jconf=context.getConf()))


def free_memory() -> None:
    """End the Python workers, and let the JVM give back the memory that it does not need.

    The process that forks the workers goes on: it has loaded their modules.
    """
    gateway = SparkContext._gateway
    assert gateway is not None
    # What the JVM keeps for objects of this process can go with them.
    gc.collect()
    for daemon in gateway.jvm.ProcessHandle.current().children().toArray():
        for worker in daemon.children().toArray():
            worker.destroyForcibly()
    gateway.jvm.System.gc()


def forget_jvm() -> None:
    """Close this process's connections to its JVM, which belongs to another process from now on."""
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.close()
        if gateway.proc is not None:
            gateway.proc.stdin.close()
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None
