"""As-of tables: look up the last value of each item at a time, for many (item, time) pairs at once."""

import io
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

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

NO_WORD = -1


@dataclass(frozen=True)
class AsOfTable:
    """Values by item and time, sorted by both, one value for each pair.

    items: the distinct items, sorted; starts: int64 [items + 1], the first row of each; times: int64 [rows],
    microseconds since 1970; values: float64 [rows], or for texts int32 codes of `words`. A value that is not
    known is NaN, or `NO_WORD`.
    """

    items: pa.Array
    starts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64] | NDArray[np.int32]
    words: pa.Array | None

    def lookup(
        self, items: pa.Array | pa.ChunkedArray, times: NDArray[np.int64], *, before: bool
    ) -> pa.Array:
        """Return the last value of each item at or before a time (int64 microseconds), null if none.

        With `before`, only values strictly before the time count.
        """
        codes = _codes(items, self.items)
        wanted = np.flatnonzero(codes >= 0)
        # Rows of one item lie together, so queries in this order read a page once.
        wanted = wanted[np.argsort(codes[wanted], kind="stable")]
        codes, times = codes[wanted], times[wanted]
        low, high = self.starts[codes], self.starts[codes + 1]
        while len(open_ := np.flatnonzero(low < high)):
            middle = (low[open_] + high[open_]) // 2
            tried = self.times[middle]
            earlier = tried < times[open_] if before else tried <= times[open_]
            low[open_[earlier]] = middle[earlier] + 1
            high[open_[~earlier]] = middle[~earlier]
        known = low > self.starts[codes]
        values = np.full(len(items), np.nan if self.words is None else NO_WORD, self.values.dtype)
        values[wanted[known]] = self.values[low[known] - 1]
        if self.words is None:
            return pa.array(values, from_pandas=True)
        return self.words.take(pa.array(values, mask=values == NO_WORD))

    def value(self, row: int) -> str | float | None:
        """Return the value of a row, None if it is not known."""
        value = self.values[row].item()
        if self.words is None:
            return None if np.isnan(value) else value
        word: str | None = None if value == NO_WORD else self.words[value].as_py()
        return word


@dataclass(frozen=True)
class AsOfFile:
    """An as-of table in a Parquet file that `write_history` wrote.

    A process that looks values up maps the table from a temporary file of its own: only the items are in
    memory.
    """

    path: Path

    def lookup(
        self, items: pa.Array | pa.ChunkedArray, times: NDArray[np.int64], *, before: bool
    ) -> pa.Array:
        """Return what `AsOfTable.lookup` returns."""
        status = self.path.stat()
        return _mapped(self.path, status.st_mtime_ns, status.st_ino).lookup(items, times, before=before)


AsOf = AsOfTable | AsOfFile


@lru_cache(maxsize=2)
def _mapped(path: Path, _modified: int, _inode: int) -> AsOfTable:
    """Return the table of a file; one process looks up at most two tables by turns."""
    return _read(path, mapped=True)


def read_history(path: Path) -> AsOfTable:
    """Read a file of `write_history` into memory."""
    return _read(path, mapped=False)


def _read(path: Path, *, mapped: bool) -> AsOfTable:
    """Read a file of `write_history`, one row group after the other.

    mapped: times and values go to temporary files without names, which are mapped; else they are in memory.
    """
    items, starts = [pa.array([], pa.string())], [np.array([], np.int64)]
    last = None
    new = tempfile.TemporaryFile if mapped else io.BytesIO
    with pq.ParquetFile(path) as file, new() as times, new() as values:
        kind = file.schema_arrow.field(2).type
        words = None if pa.types.is_floating(kind) else pa.array([], kind)
        start = 0
        for group in range(file.num_row_groups):
            item, time, value = file.read_row_group(group, use_threads=False).combine_chunks().columns
            if not len(item):
                continue
            runs = pc.run_end_encode(item.combine_chunks())
            begins = start + np.append(0, runs.run_ends.to_numpy()[:-1])
            # A group may go on with an item of the one before.
            repeated = int(runs.values[0] == last)
            items.append(runs.values[repeated:])
            starts.append(begins[repeated:])
            last = runs.values[-1]
            times.write(_microseconds(time).tobytes())
            if words is not None:
                distinct = pc.unique(value).drop_null()
                words = pa.concat_arrays([words, distinct.filter(pc.invert(pc.is_in(distinct, words)))])
                value = pc.index_in(value, words).fill_null(NO_WORD)
            values.write(value.to_numpy().tobytes())
            start += len(item)
        return AsOfTable(
            pa.concat_arrays(items),
            np.concatenate([*starts, [start]]),
            _array(times, np.int64),
            _array(values, np.float64 if words is None else np.int32),
            words,
        )


def _array(file: IO[bytes], kind: type[np.generic]) -> NDArray[Any]:
    """Return the content of a file as an array, mapped unless the file is in memory."""
    if isinstance(file, io.BytesIO):
        return np.frombuffer(file.getvalue(), kind)
    file.flush()
    return np.memmap(file, kind, "r") if file.tell() else np.empty(0, kind)


def write_history(path: Path, runs: Iterator[pa.Table], value: pa.Field, limit: int) -> None:
    """Write values of items over time, sorted by both, as columns item, time and the field `value`.

    runs: columns item (string), time (timestamp us), order (int64) and value, in tables that each fit in
    memory. If an item has several values at one time, the one with the highest `order` is written. limit:
    bytes of several runs that are in memory at once.
    """
    schema = pa.schema([("item", pa.string()), ("time", TIME), value])
    # Two attempts of a task may write at the same time; both write the same.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with pq.ParquetWriter(partial, schema) as writer:
            for rows in merged_tables(runs, HISTORY_KEY, limit):
                writer.write_table(_last_values(rows).rename_columns(schema.names))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _last_values(rows: pa.Table) -> pa.Table:
    """Return the value with the highest `order` of each item and time: item, time (UTC) and value, sorted."""
    rows = rows.combine_chunks()
    codes = _codes(rows["item"], pc.unique(rows["item"]).sort())
    times = _microseconds(rows["time"])
    order = np.lexsort([rows["order"].to_numpy(), times, codes])
    codes, times = codes[order], times[order]
    last = np.append((codes[1:] != codes[:-1]) | (times[1:] != times[:-1]), True)[: len(order)]
    rows = rows.select(["item", "time", "value"]).take(pa.array(order[last])).combine_chunks()
    return rows.set_column(1, "time", rows["time"].cast(pa.int64()).cast(TIME))


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
