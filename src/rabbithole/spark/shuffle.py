"""Work dealt out to Spark tasks.

What passes through the JVM are Arrow's own bytes, some hundred kilobytes a value: the JVM would take rows
apart and put them together again, which takes longer than the work itself.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import SparkSession

Batches = Iterator[pa.RecordBatch]

REPORT_SCHEMA = pa.schema([("facts", pa.string())])
"""What a task returns that only tells what it found: JSON."""

SENT = "part int, place long, rows binary"
RETURNED = "place long, rows binary"

COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")

SEQUENCE_BITS = 32
"""Bits of a place that count what one task sends; the task's index stands above them."""


def map_indexed(
    spark: SparkSession, count: int, work: Callable[[int], Iterable[pa.RecordBatch]], schema: pa.Schema
) -> pa.Table:
    """Return what `work(0)` to `work(count - 1)` yield, in this order, each call a task of its own."""

    def run(batches: Batches) -> Batches:
        for index in _indexes(batches):
            yield _returned(index, work(index), schema)

    return _collected(spark.range(0, count, 1, count).mapInArrow(run, RETURNED), schema)


def shuffle(
    spark: SparkSession,
    count: int,
    read: Callable[[int], Iterable[tuple[pa.Table, NDArray[np.int32]]]],
    parts: int,
    gather: Callable[[int, pa.Table], Iterable[pa.RecordBatch]],
    *,
    sent: pa.Schema,
    found: pa.Schema,
) -> pa.Table:
    """Return what `gather(part, rows)` yields for every part that is sent any rows.

    `read(0)` to `read(count - 1)` are tasks that yield tables of schema `sent`, each with the part, 0 to
    `parts - 1`, that each row goes to; `gather` gets a part's rows in the order of tasks and of their own
    order, and yields batches of schema `found`. A part is held in a worker's memory.
    """

    def send(batches: Batches) -> Batches:
        for index in _indexes(batches):
            for number, (table, part) in enumerate(read(index)):
                yield _dealt(table.select(sent.names), part, (index << SEQUENCE_BITS) + number)

    def receive(batches: Batches) -> Batches:
        part, pieces = 0, []
        for batch in batches:
            for row in range(len(batch)):
                part, place = (batch[name][row].as_py() for name in ("part", "place"))
                pieces.append((place, batch["rows"][row].as_buffer()))
        if pieces:
            pieces.sort(key=lambda piece: piece[0])
            yield _returned(part, gather(part, _unpacked([rows for _, rows in pieces], sent)), found)

    rows = spark.range(0, count, 1, count).mapInArrow(send, SENT)
    return _collected(rows.repartitionById(parts, "part").mapInArrow(receive, RETURNED), found)


def _indexes(batches: Batches) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _dealt(table: pa.Table, part: NDArray[np.int32], place: int) -> pa.RecordBatch:
    """Return a row for each part that gets rows of the table (it has some): part, place, the rows' bytes."""
    order = np.argsort(part, kind="stable")
    dealt = part[order]
    begins = np.append(0, np.flatnonzero(np.diff(dealt)) + 1)
    ends = np.append(begins[1:], len(part))
    table = table.take(pa.array(order))
    rows = [
        _packed(table.slice(begin, end - begin).to_batches(), table.schema)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    places = pa.array(np.full(len(begins), place, np.int64))
    columns = {"part": pa.array(dealt[begins]), "place": places, "rows": pa.array(rows, pa.binary())}
    return pa.record_batch(columns)


def _returned(place: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    rows = pa.array([_packed(batches, schema)], pa.binary())
    return pa.record_batch({"place": pa.array([place], pa.int64()), "rows": rows})


def _collected(done: Any, schema: pa.Schema) -> pa.Table:
    found = done.toArrow().sort_by("place")
    return _unpacked([value.as_buffer() for value in found["rows"]], schema)


def _packed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=COMPRESSED) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))
    return bytes(sink.getvalue())


def _unpacked(rows: list[pa.Buffer], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *(pa.ipc.open_stream(piece).read_all() for piece in rows)])
