"""Parquet folders written and read part by part, one Spark task each, in constant memory.

Arrow's own reader and writer are used: they take columns as they are, where Spark's go row by row.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS = 2**20
"""Rows that are worked on at once, more where one key holds more."""

DICTIONARY_COLUMNS = ("event", "item", "category")
"""Columns of a few strings over and over: read as a dictionary and codes, so that each is handled once."""

DICTIONARY_TYPE = pa.dictionary(pa.int32(), pa.string())


def map_values(function: Callable[[pa.Array], pa.Array], values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return `function(values)`, worked out once a distinct value where they are a dictionary and codes.

    `function` must go value by value; what is null stays null.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return function(values.dictionary).take(values.indices)
    return function(values)


def whole_groups(batches: Iterable[pa.RecordBatch], key: str, rows: int = ROWS) -> Iterator[pa.Table]:
    """Yield tables of at least `rows` rows, of which none splits a key; equal keys must stand together."""
    pending: list[pa.RecordBatch] = []
    count, wanted = 0, rows
    for batch in batches:
        if len(batch) == 0:
            continue
        pending.append(batch)
        count += len(batch)
        if count < wanted:
            continue
        table = pa.Table.from_batches(pending).combine_chunks()
        last = pc.equal(table[key], table[key][-1]).to_numpy()
        begin = int(np.argmax(last))
        if begin > 0:
            yield table.slice(0, begin)
            rest = table.slice(begin)
            pending, count, wanted = rest.to_batches(), len(rest), rows
        else:
            # One key fills it all: wait for twice as much, so that a huge key isn't copied for each batch.
            pending, wanted = table.to_batches(), 2 * count
    if pending:
        yield pa.Table.from_batches(pending).combine_chunks()


class PartWriter:
    """Writes `part-00007.parquet` in a folder, whole or not at all; a part without rows leaves no file."""

    def __init__(self, folder: Path, index: int, schema: pa.Schema) -> None:
        self.path = folder / f"part-{index:05}.parquet"
        self.partial = folder / f".part-{index:05}.{os.getpid()}.partial"
        self.schema = schema
        self.writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table of exactly the part's schema."""
        if len(table) == 0:
            return
        if self.writer is None:
            self.partial.parent.mkdir(parents=True, exist_ok=True)
            # Arrow's own schema is left out: what was coded in memory is a column of strings to any reader.
            self.writer = pq.ParquetWriter(
                self.partial, self.schema, compression="zstd", compression_level=1, store_schema=False
            )
        self.writer.write_table(table.select(self.schema.names).cast(self.schema))

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()
            if kind is None:
                self.partial.replace(self.path)
            else:
                self.partial.unlink(missing_ok=True)


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of a folder lies: `events.json` beside `events/`."""
    return folder.with_name(folder.name + ".json")


def data_files(folder: Path) -> list[Path]:
    """Return every data file below a folder, sorted; names that begin with `_` or `.` are not data."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(("_", "."))
    )


def part_files(folder: Path) -> list[Path]:
    """Return the parts of a folder in order."""
    return sorted(folder.glob("part-*.parquet"))


def read_part(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield a part's batches in order, as they were written: at most so much is in memory at once.

    The columns of `REPEATED`, or the values of their lists, come as dictionaries and codes.
    """
    metadata = pq.read_metadata(path)
    paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    coded = [name for name in paths if name.split(".")[0] in DICTIONARY_COLUMNS]
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=coded) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns, use_threads=False).combine_chunks().to_batches()
