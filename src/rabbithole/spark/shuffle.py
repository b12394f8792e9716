"""Run work in Spark tasks: by index, or with a shuffle between two sets of tasks.

The JVM moves Arrow's own bytes, some hundred kilobytes per value. If it received rows, it would take them
apart and put them together again, which takes longer than the work itself.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from rabbithole.io.columns import whole

Batches = Iterator[pa.RecordBatch]

Sent = tuple[pa.Table, NDArray[np.int32]]
"""Rows, and the partition of each."""

REPORT_SCHEMA = pa.schema([("facts", pa.string())])
"""For tasks that return only what they counted, as JSON."""

SENT = "partition int, position long, rows binary"
RETURNED = "position long, rows binary"
"""Columns that Spark sees. position: the place in the order of all values."""

COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")

RUN_BYTES = 2**27
"""Bytes of rows that a gathering task gets at once, unless it asks for another number."""

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


@dataclass(frozen=True)
class ShufflePlan:
    """How rows move to the tasks of a stage.

    sent: their schema; partitions: number of tasks; run_bytes: size of the tables that a task gets at once.
    """

    sent: pa.Schema
    partitions: int
    run_bytes: int = RUN_BYTES


def shuffle(
    spark: SparkSession,
    count: int,
    read: Callable[[int], Iterable[Sent]],
    plan: ShufflePlan,
    gather: Callable[[int, Iterator[pa.Table]], Iterable[pa.RecordBatch]],
    returned: pa.Schema,
    *,
    first: tuple[ShufflePlan, Callable[[int, Iterator[pa.Table]], Iterable[Sent]]] | None = None,
) -> pa.Table:
    """Return what `gather(partition, tables)` yields for every partition that receives rows.

    `read(0)` to `read(count - 1)` are tasks. They yield tables, each with the partition of every row, int32
    from 0 to `partitions - 1`. `gather` gets the rows of a partition in tables of about `run_bytes`, and
    yields batches of schema `returned`. The rows of a table are in the order of the reading tasks and of what
    they yield; where there are several tables, they share the rows as these happen to arrive. So a partition
    may be larger than a worker's memory.

    first: the plan of a shuffle before this one, and its function. The function gets what `read` yields and
    yields what `gather` gets.
    """

    sent = plan.sent if first is None else first[0].sent

    def start(batches: Batches) -> Batches:
        for index in _indexes(batches):
            yield from _send(index, read(index), sent)

    rows = spark.range(0, count, 1, count).mapInArrow(start, SENT)
    if first is not None:
        earlier, work = first

        def resend(batches: Batches) -> Batches:
            for partition, tables in _received(batches, earlier):
                yield from _send(partition, work(partition, tables), plan.sent)

        rows = rows.repartitionById(earlier.partitions, "partition").mapInArrow(resend, SENT)

    def receive(batches: Batches) -> Batches:
        for partition, tables in _received(batches, plan):
            yield _result(partition, gather(partition, tables), returned)

    return _collect(
        rows.repartitionById(plan.partitions, "partition").mapInArrow(receive, RETURNED), returned
    )


def partition_of(keys: pa.ChunkedArray, partitions: int) -> NDArray[np.int32]:
    """Return the partition of each key (string), int32 [keys], by the key's hash."""
    coded = whole(keys).dictionary_encode()
    distinct = coded.dictionary.to_numpy(zero_copy_only=False)
    hashed = pd.util.hash_array(distinct, categorize=False) % np.uint64(partitions)
    return hashed.astype(np.int32)[coded.indices.to_numpy()]


def filled(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with all columns of a schema; those that they lack are null."""
    lacking = {field.name: pa.nulls(len(rows), field.type) for field in schema}
    return pa.table(lacking | {name: rows[name] for name in rows.column_names}, schema=schema)


def _send(task: int, tables: Iterable[Sent], schema: pa.Schema) -> Batches:
    for number, (table, partition) in enumerate(tables):
        if len(table):
            yield _split(table.select(schema.names), partition, (task << TABLE_BITS) + number)


def _received(batches: Batches, plan: ShufflePlan) -> Iterator[tuple[int, Iterator[pa.Table]]]:
    """Yield a partition's number and rows; nothing if it received none."""
    pieces = _pieces(batches, plan.sent)
    first = next(pieces, None)
    if first is not None:
        yield first.partition, _in_runs(itertools.chain([first], pieces), plan.run_bytes)


class _Piece(NamedTuple):
    """Rows that one task sent to a partition. position: their place in the order of all pieces."""

    partition: int
    position: int
    rows: pa.Table


def _pieces(batches: Batches, schema: pa.Schema) -> Iterator[_Piece]:
    for batch in batches:
        for row in range(len(batch)):
            partition, position = (batch[name][row].as_py() for name in ("partition", "position"))
            yield _Piece(partition, position, _deserialise([batch["rows"][row].as_buffer()], schema))


def _in_runs(pieces: Iterator[_Piece], run_bytes: int) -> Iterator[pa.Table]:
    """Yield pieces as tables of about `run_bytes`, in order within each table."""
    run: list[_Piece] = []
    size = 0
    for piece in pieces:
        run.append(piece)
        size += piece.rows.nbytes
        del piece
        if size >= run_bytes:
            # While a table is at work, nothing here holds its rows.
            ready = [_in_order(run)]
            run, size = [], 0
            yield ready.pop()
    if run:
        ready = [_in_order(run)]
        del run
        yield ready.pop()


def _in_order(pieces: list[_Piece]) -> pa.Table:
    return pa.concat_tables(piece.rows for piece in sorted(pieces, key=lambda piece: piece.position))


def _indexes(batches: Batches) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _split(table: pa.Table, partition: NDArray[np.int32], position: int) -> pa.RecordBatch:
    """Split a table, which has rows, by partition: a row for each (partition, position, bytes)."""
    order = np.argsort(partition, kind="stable")
    ordered = partition[order]
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    ends = np.append(starts[1:], len(partition))
    rows = [_serialise([piece], table.schema) for piece in _cut(table.take(pa.array(order)), starts, ends)]
    return pa.record_batch(
        {
            "partition": pa.array(ordered[starts]),
            "position": pa.array(np.full(len(starts), position, np.int64)),
            "rows": pa.array(rows, pa.binary()),
        }
    )


def _cut(table: pa.Table, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """Yield consecutive pieces of a table that cover it; dictionaries hold only the values of their piece."""
    columns = [
        _cut_codes(values, starts, ends)
        if pa.types.is_dictionary(values.type)
        else [values.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]
        for values in map(whole, table.columns)
    ]
    for piece in zip(*columns, strict=True):
        yield pa.record_batch(list(piece), table.column_names)


def _cut_codes(
    values: pa.DictionaryArray, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> list[pa.DictionaryArray]:
    """Return pieces of coded values, each with a dictionary of its own in the order in which values occur."""
    size = max(1, len(values.dictionary))
    piece = np.repeat(np.arange(len(starts)), ends - starts)
    pairs = pc.add(values.indices.cast(pa.int64()), pa.array(piece * size)).dictionary_encode()
    distinct = pairs.dictionary.to_numpy()
    words = values.dictionary.take(pa.array(distinct % size))
    # The pairs of a piece come before those of the next one.
    edges = np.searchsorted(distinct // size, np.arange(len(starts) + 1))
    return [
        pa.DictionaryArray.from_arrays(
            pc.subtract(pairs.indices.slice(start, end - start), pa.scalar(first, pa.int32())),
            words.slice(first, after - first),
        )
        for start, end, first, after in zip(
            starts.tolist(), ends.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True
        )
    ]


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
