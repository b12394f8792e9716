"""Run work in Spark tasks: by index, or with a shuffle between two sets of tasks.

The JVM moves Arrow's own bytes, some hundred kilobytes per value. If it received rows, it would take them
apart and put them together again, which takes longer than the work itself.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

Batches = Iterator[pa.RecordBatch]

REPORT_SCHEMA = pa.schema([("facts", pa.string())])
"""For tasks that return only what they counted, as JSON."""

SENT = "partition int, position long, rows binary"
RETURNED = "position long, rows binary"
"""Columns that Spark sees. position: the place in the order of all values."""

COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")

TABLE_BITS = 32
"""Low bits of a sent position: the number of the table within its task. The task is in the bits above."""


def map_indexed(
    spark: SparkSession, count: int, work: Callable[[int], Iterable[pa.RecordBatch]], schema: pa.Schema
) -> pa.Table:
    """Return what `work(0)` to `work(count - 1)` yield, in this order; each call is a task."""

    def run(batches: Batches) -> Batches:
        for index in _indexes(batches):
            yield _result(index, work(index), schema)

    return _collect(spark.range(0, count, 1, count).mapInArrow(run, RETURNED), schema)


def shuffle(
    spark: SparkSession,
    count: int,
    read: Callable[[int], Iterable[tuple[pa.Table, NDArray[np.int32]]]],
    partitions: int,
    gather: Callable[[int, pa.Table], Iterable[pa.RecordBatch]],
    *,
    sent: pa.Schema,
    returned: pa.Schema,
) -> pa.Table:
    """Return what `gather(partition, rows)` yields for every partition that receives rows.

    `read(0)` to `read(count - 1)` are tasks. They yield tables with the columns of schema `sent`, each with
    the partition of every row, int32 from 0 to `partitions - 1`. `gather` gets the rows of a partition in
    the order of the reading tasks and of their tables, and yields batches of schema `returned`. The rows of
    a partition must fit in a worker's memory.
    """

    def send(batches: Batches) -> Batches:
        for index in _indexes(batches):
            for number, (table, partition) in enumerate(read(index)):
                yield _split(table.select(sent.names), partition, (index << TABLE_BITS) + number)

    def receive(batches: Batches) -> Batches:
        partition, pieces = 0, []
        for batch in batches:
            for row in range(len(batch)):
                partition, position = (batch[name][row].as_py() for name in ("partition", "position"))
                pieces.append((position, batch["rows"][row].as_buffer()))
        if pieces:
            pieces.sort(key=lambda piece: piece[0])
            rows = _deserialise([rows for _, rows in pieces], sent)
            yield _result(partition, gather(partition, rows), returned)

    rows = spark.range(0, count, 1, count).mapInArrow(send, SENT)
    return _collect(rows.repartitionById(partitions, "partition").mapInArrow(receive, RETURNED), returned)


def _indexes(batches: Batches) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _split(table: pa.Table, partition: NDArray[np.int32], position: int) -> pa.RecordBatch:
    """Split a table, which has rows, by partition: one row per partition (partition, position, bytes)."""
    order = np.argsort(partition, kind="stable")
    ordered = partition[order]
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    ends = np.append(starts[1:], len(partition))
    table = table.take(pa.array(order))
    rows = [
        _serialise(table.slice(start, end - start).to_batches(), table.schema)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return pa.record_batch(
        {
            "partition": pa.array(ordered[starts]),
            "position": pa.array(np.full(len(starts), position, np.int64)),
            "rows": pa.array(rows, pa.binary()),
        }
    )


def _result(position: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    rows = pa.array([_serialise(batches, schema)], pa.binary())
    return pa.record_batch({"position": pa.array([position], pa.int64()), "rows": rows})


def _collect(results: DataFrame, schema: pa.Schema) -> pa.Table:
    table = results.toArrow().sort_by("position")
    return _deserialise([value.as_buffer() for value in table["rows"]], schema)


def _serialise(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=COMPRESSED) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))
    return bytes(sink.getvalue())


def _deserialise(rows: list[pa.Buffer], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *(pa.ipc.open_stream(piece).read_all() for piece in rows)])
