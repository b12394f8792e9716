"""As-of tables: look up the last value of each item at a time, for many (item, time) pairs at once."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.io.parts import map_values
from rabbithole.io.sorting import SortKey, merged_tables

HISTORY_KEY = SortKey("item", "time", "order")
"""The columns by which the rows of a history are sorted."""

TIME = pa.timestamp("us", "UTC")

ROW_BYTES = 80
"""Memory that a row of an `AsOfTable` takes at most while it is read."""


@dataclass(frozen=True)
class AsOfTable:
    """Values by item and time, sorted by both, one value for each pair.

    items: the distinct items, sorted; times: the distinct times, sorted, int64 microseconds since 1970;
    keys: int64 [rows], index of the item * (number of times + 1) + index of the time, rising; values: [rows].
    """

    items: pa.Array
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    values: pa.Array

    @classmethod
    def build(cls, table: pa.Table) -> "AsOfTable":
        """Build from columns item (string), time (timestamp us), order (int64) and value.

        If an item has several values at one time, the one with the highest `order` is used.
        """
        table = table.combine_chunks()
        items = pc.unique(table["item"]).sort()
        codes = _codes(table["item"], items)
        row_times = _microseconds(table["time"])
        times = np.unique(row_times)
        keys = codes * (len(times) + 1) + np.searchsorted(times, row_times)
        order = np.lexsort([table["order"].to_numpy(), keys])
        keys = keys[order]
        last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
        values = table["value"].take(pa.array(order[last])).combine_chunks()
        return cls(items, times, keys[last], values)

    def lookup(self, items: pa.ChunkedArray, times: NDArray[np.int64], *, before: bool) -> pa.Array:
        """Return the last value of each item at or before a time (int64 microseconds), null if none.

        With `before`, only values strictly before the time count.
        """
        codes = _codes(items, self.items)
        wanted = np.flatnonzero(codes >= 0)
        codes, times = codes[wanted], times[wanted]
        ranks = np.searchsorted(self.times, times, side="left" if before else "right")
        span = len(self.times) + 1
        queries = codes * span + ranks
        # A search in rising order stays in the cache: three times faster, including the sort.
        order = np.argsort(queries)
        places = np.empty(len(queries), np.int64)
        places[order] = np.searchsorted(self.keys, queries[order], side="left") - 1
        known = places >= 0
        known[known] = self.keys[places[known]] // span == codes[known]
        rows = np.full(len(items), -1)
        rows[wanted[known]] = places[known]
        return self.values.take(pa.array(rows, mask=rows < 0))

    def table(self) -> pa.Table:
        """Return the table: item (string), time (timestamp us UTC), value."""
        span = len(self.times) + 1
        times = pa.array(self.times[self.keys % span], pa.timestamp("us")).cast(TIME)
        return pa.table(
            {"item": self.items.take(pa.array(self.keys // span)), "time": times, "value": self.values}
        )


@dataclass(frozen=True)
class AsOfFile:
    """An as-of table in a Parquet file that `write_history` wrote.

    held_bytes: a worker keeps a table of up to this size in memory; of a larger one it reads the row groups,
    each with the items of its range, for every lookup.
    """

    path: Path
    held_bytes: int

    def lookup(
        self, items: pa.Array | pa.ChunkedArray, times: NDArray[np.int64], *, before: bool
    ) -> pa.Array:
        """Return what `AsOfTable.lookup` returns."""
        status = self.path.stat()
        with pq.ParquetFile(self.path) as file:
            if file.metadata.num_rows * ROW_BYTES <= self.held_bytes:
                return _held(self.path, status.st_mtime_ns, status.st_ino).lookup(items, times, before=before)
            values = pa.nulls(len(items), file.schema_arrow.field(2).type)
            for group in range(file.num_row_groups):
                table = _of_sorted(file.read_row_group(group, use_threads=False))
                # A later group may go on with an item of the one before, with later values.
                values = pc.coalesce(table.lookup(items, times, before=before), values)
            return values


AsOf = AsOfTable | AsOfFile


@lru_cache(maxsize=2)
def _held(path: Path, _modified: int, _inode: int) -> AsOfTable:
    """Return the table of a file; one process looks up at most two tables by turns."""
    return read_history(path)


def _of_sorted(history: pa.Table) -> AsOfTable:
    """Return the table of rows that `write_history` wrote: sorted, with one value for an item and time."""
    rows = history.combine_chunks()
    items = pc.unique(rows.column(0))
    row_times = _microseconds(rows.column(1))
    times = np.unique(row_times)
    keys = _codes(rows.column(0), items) * (len(times) + 1) + np.searchsorted(times, row_times)
    return AsOfTable(items, times, keys, rows.column(2).combine_chunks())


def write_history(path: Path, runs: Iterator[pa.Table], value: pa.Field, limit: int) -> None:
    """Write values of items over time, sorted by both, as columns item, time and the field `value`.

    runs: columns item, time, order and value, as for `AsOfTable.build`, in tables that each fit in memory;
    limit: bytes of several runs that are in memory at once.
    """
    schema = pa.schema([("item", pa.string()), ("time", TIME), value])
    # Two attempts of a task may write at the same time; both write the same.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with pq.ParquetWriter(partial, schema) as writer:
            for rows in merged_tables(runs, HISTORY_KEY, limit):
                writer.write_table(AsOfTable.build(rows).table().rename_columns(schema.names))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_history(path: Path) -> AsOfTable:
    """Read a file of `write_history` into memory."""
    return _of_sorted(pq.read_table(path, use_threads=False))


def history_rows(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of a file of `write_history` in tables with an `order` below that of any log."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            rows = pa.table(batch).rename_columns(["item", "time", "value"])
            yield rows.append_column("order", pa.array(np.full(len(rows), -1)))


def _codes(items: pa.ChunkedArray, known: pa.Array) -> NDArray[np.int64]:
    codes = map_values(lambda values: pc.index_in(values, value_set=known), items)
    return pc.fill_null(codes, -1).to_numpy().astype(np.int64)


def _microseconds(times: pa.ChunkedArray) -> NDArray[np.int64]:
    return times.cast(pa.int64()).to_numpy()
