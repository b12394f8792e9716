"""Sort rows by key and time: in memory, or in runs on disk where there are more than memory holds."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.io.columns import whole
from rabbithole.io.scratch import scratch_folder

RUN_BATCH_ROWS = 2**14
"""Rows of a run that are read at once."""


class SortKey(NamedTuple):
    """The columns that rows are sorted by: key (string), time (timestamp us) and place in the log (int64)."""

    key: str
    time: str
    position: str


EVENT_KEY = SortKey("session_id", "timestamp", "position")


def sort_rows(rows: pa.Table, columns: SortKey = EVENT_KEY) -> pa.Table:
    """Sort rows, which are in the order of the log, by key and time; ties keep the order of the log."""
    if not len(rows):
        return rows
    coded = whole(rows[columns.key])
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    rank = np.empty(len(coded.dictionary), np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
    key = rank[coded.indices.to_numpy()]
    times = rows[columns.time].cast(pa.int64()).to_numpy()
    first, last = int(times.min()), int(times.max())
    if len(rank) * (last - first + 1) < 2**63:
        # One key instead of two is eight times faster, as most of a log is in order already.
        order = np.argsort(key * (last - first + 1) + (times - first), kind="stable")
    else:
        order = np.lexsort([times, key])
    return rows.take(pa.array(order)).combine_chunks()


def merged_tables(runs: Iterator[pa.Table], columns: SortKey, limit: int) -> Iterator[pa.Table]:
    """Yield the rows of all runs in tables: those of earlier keys and times first, in the order of the log.

    Each table is still to be sorted (`sort_rows`); rows of one key and time are in one table. runs: tables in
    the order of the log, each small enough for memory. A single run below `limit` bytes is yielded as it is.
    Others are sorted, written to a scratch folder and merged: about `limit` bytes of them are in memory at
    once, more if more rows than that share a key and time.
    """
    # Nothing here holds the rows of a table that is at work.
    waiting = list(itertools.islice(runs, 1))
    if waiting and waiting[0].nbytes < limit:
        waiting += itertools.islice(runs, 1)
        if len(waiting) == 1:
            yield waiting.pop()
    if not waiting:
        return
    with scratch_folder("runs") as folder:
        files: list[Path] = []
        while waiting:
            files.append(_write_run(folder / str(len(files)), sort_rows(waiting.pop(0), columns)))
            waiting += itertools.islice(runs, 0 if waiting else 1)
        for rows in _merged(files, columns, limit):
            # The rows of a run keep their order, and `position` gives that of rows of several runs.
            order = np.argsort(rows[columns.position].to_numpy(), kind="stable")
            yield rows.take(pa.array(order))


def _write_run(path: Path, rows: pa.Table) -> Path:
    with pa.ipc.new_file(path, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows, RUN_BATCH_ROWS)
    return path


@dataclass
class _Run:
    """A sorted run that is read from its file batch by batch. rows: those read and not yet taken."""

    file: pa.ipc.RecordBatchFileReader
    columns: SortKey
    rows: pa.Table
    batch: int = 0

    @property
    def ended(self) -> bool:
        return self.batch == self.file.num_record_batches

    def read(self, size: int) -> None:
        """Read until rows take `size` bytes, or the run ends."""
        batches = self.rows.to_batches()
        while not self.ended and sum(batch.nbytes for batch in batches) < size:
            batches.append(self.file.get_batch(self.batch))
            self.batch += 1
        self.rows = pa.Table.from_batches(batches, self.rows.schema)

    def last(self) -> tuple[str, int]:
        """Return key and time of the last row that was read."""
        row = self.rows.slice(len(self.rows) - 1)
        return row[self.columns.key][0].as_py(), row[self.columns.time].cast(pa.int64())[0].as_py()

    def take(self, bound: tuple[str, int] | None) -> pa.Table:
        """Take the rows before a bound (all of them without one)."""
        count = len(self.rows)
        if bound is not None:
            keys, times = self.rows[self.columns.key], self.rows[self.columns.time].cast(pa.int64())
            earlier = pc.and_(pc.equal(keys, bound[0]), pc.less(times, bound[1]))
            count = pc.sum(pc.or_(pc.less(keys, bound[0]), earlier), min_count=0).as_py()
        taken, self.rows = self.rows.slice(0, count), self.rows.slice(count)
        return taken


def _merged(files: Sequence[Path], columns: SortKey, limit: int) -> Iterator[pa.Table]:
    """Yield the rows of sorted runs in tables: each row comes before all rows of later tables."""
    readers = [pa.ipc.open_file(pa.memory_map(str(path))) for path in files]
    runs = [_Run(reader, columns, reader.schema.empty_table()) for reader in readers]
    size = share = max(1, limit // len(runs))
    while any(len(run.rows) or not run.ended for run in runs):
        for run in runs:
            run.read(size)
        # What a run has not read yet comes at or after its last row that was read.
        bound = min((run.last() for run in runs if not run.ended), default=None)
        taken = [table for run in runs if len(table := run.take(bound))]
        if taken:
            size = share
            yield pa.concat_tables(taken)
        else:
            # All rows that were read have one key and time: their table needs more room.
            size *= 2
