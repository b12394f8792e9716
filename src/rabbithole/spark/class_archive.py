"""An archive of the classes that Spark loads: with it the JVM starts four seconds sooner (on two cores)."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import SparkContext

from rabbithole.spark.session import CLASS_ARCHIVE, SparkOptions, spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed, shuffle


def archive_spark(output: Path = CLASS_ARCHIVE) -> None:
    """Run what every Spark step runs, and let the JVM write the classes that this took.

    Java's class data sharing; a JVM that does not fit the archive (another Java or Spark) passes it by.
    """
    output.unlink(missing_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    conf = {"spark.driver.defaultJavaOptions": f'-XX:ArchiveClassesAtExit="{partial}" -Xlog:disable'}
    with spark_session(SparkOptions(threads=1, memory_mb=1000, conf=conf), "archive") as session:
        map_indexed(session, 2, _facts, REPORT_SCHEMA)
        shuffle(session, 2, _sent, 2, _gathered, sent=REPORT_SCHEMA, found=REPORT_SCHEMA)
        gateway = SparkContext._gateway
    assert gateway is not None
    gateway.shutdown()
    gateway.proc.stdin.close()
    # It is written when the JVM ends.
    gateway.proc.wait()
    partial.replace(output)


def _facts(index: int) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"facts": [str(index)]})


def _sent(index: int) -> Iterator[tuple[pa.Table, NDArray[np.int32]]]:
    yield pa.table({"facts": [str(index)] * 2}), np.arange(2, dtype=np.int32)


def _gathered(part: int, rows: pa.Table) -> Iterator[pa.RecordBatch]:  # noqa: ARG001 (as `exchange` asks)
    yield from rows.to_batches()
