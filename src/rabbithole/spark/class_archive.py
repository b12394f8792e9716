"""Archive the classes that Spark loads: with it the JVM starts four seconds sooner (on two cores)."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from rabbithole.spark.private import end_jvm
from rabbithole.spark.session import CLASS_ARCHIVE, spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, Sent, ShufflePlan, map_indexed, shuffle
from rabbithole.specs.data import SparkOptions


def archive_spark(output: Path = CLASS_ARCHIVE) -> None:
    """Run what every Spark step runs, and let the JVM write an archive of the classes that it loaded.

    This is Java's class data sharing. A JVM that the archive does not fit (another Java or Spark) ignores it.
    """
    output.unlink(missing_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    conf = {"spark.driver.defaultJavaOptions": f'-XX:ArchiveClassesAtExit="{partial}" -Xlog:disable'}
    with spark_session(SparkOptions(threads=1, memory_mb=1000, conf=conf), "archive") as session:
        map_indexed(session, 2, _report, REPORT_SCHEMA)
        shuffle(session, 2, _read, ShufflePlan(REPORT_SCHEMA, 2), _gather, REPORT_SCHEMA)
    end_jvm()
    partial.replace(output)


def _report(index: int) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"facts": [str(index)]})


def _read(index: int) -> Iterator[Sent]:
    yield pa.table({"facts": [str(index)] * 2}), np.arange(2, dtype=np.int32)


def _gather(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    for rows in tables:
        yield from rows.to_batches()
