"""Write and read Parquet folders part by part, one Spark task per part, in constant memory.

Arrow's reader and writer are used because they handle columns, whereas Spark's go row by row.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

GROUP_ROWS = 2**20
"""Rows that are processed at once; more if one key has more."""

DICTIONARY_COLUMNS = ("event", "item", "category")
"""Columns with few distinct strings: read as a dictionary and codes, so that each string is handled once."""

DICTIONARY_TYPE = pa.dictionary(pa.int32(), pa.string())


def map_values(function: Callable[[pa.Array], pa.Array], values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return `function(values)`, computed once per distinct value if the values are dictionary-encoded.

    `function` must map each value by itself; null stays null.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return function(values.dictionary).take(values.indices)
    return function(values)


def complete_groups(
    batches: Iterable[pa.RecordBatch], key: str, rows: int = GROUP_ROWS
) -> Iterator[pa.Table]:
    """Yield tables of at least `rows` rows that never split a key; equal keys must be adjacent."""
    pending: list[pa.RecordBatch] = []
    count, target = 0, rows
    for batch in batches:
        if len(batch) == 0:
            continue
        pending.append(batch)
        count += len(batch)
        if count < target:
            continue
        table = pa.Table.from_batches(pending).combine_chunks()
        is_last_key = pc.equal(table[key], table[key][-1]).to_numpy()
        start = int(np.argmax(is_last_key))
        if start > 0:
            yield table.slice(0, start)
            rest = table.slice(start)
            pending, count, target = rest.to_batches(), len(rest), rows
        else:
            # The table has one key only: double the target, so that a huge key isn't copied for each batch.
            pending, target = table.to_batches(), 2 * count
    if pending:
        yield pa.Table.from_batches(pending).combine_chunks()


class PartWriter:
    """Writes `part-00007.parquet` in a folder atomically; a part without rows leaves no file."""

    def __init__(self, folder: Path, index: int, schema: pa.Schema) -> None:
        self.path = folder / f"part-{index:05}.parquet"
        self.partial = folder / f".part-{index:05}.{os.getpid()}.partial"
        self.schema = schema
        self.writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table, cast to the part's schema."""
        if len(table) == 0:
            return
        if self.writer is None:
            self.partial.parent.mkdir(parents=True, exist_ok=True)
            # Without Arrow's schema, columns that were dictionary-encoded in memory are read as strings.
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
    """Return the path of a folder's manifest: `events.json` beside `events/`."""
    return folder.with_name(folder.name + ".json")


def data_files(folder: Path) -> list[Path]:
    """Return all data files below a folder, sorted; files whose name starts with `_` or `.` are not data."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(("_", "."))
    )


def part_files(folder: Path) -> list[Path]:
    """Return the parts of a folder, sorted."""
    return sorted(folder.glob("part-*.parquet"))


def read_part(
    path: Path, columns: list[str] | None = None, *, coded: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield the row groups of a part as batches, in order: one at a time is in memory.

    `DICTIONARY_COLUMNS` and the columns `coded`, or the values of their lists, are dictionary-encoded.
    """
    metadata = pq.read_metadata(path)
    paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    names = {*DICTIONARY_COLUMNS, *coded}
    dictionaries = [name for name in paths if name.split(".")[0] in names]
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=dictionaries) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns, use_threads=False).combine_chunks().to_batches()
