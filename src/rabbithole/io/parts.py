"""Write and read Parquet folders part by part, one Spark task per part, in constant memory.

Arrow's reader and writer are used because they handle columns, whereas Spark's go row by row.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.io.atomic import remove, write_errors_at
from rabbithole.io.digests import WrittenFile
from rabbithole.io.scratch import scratch_folder
from rabbithole.io.storage import Folder, Part, StoredFolder, fetched, put, remove_stored_parts

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


def _repeating_columns(schema: pa.Schema) -> list[str]:
    """Return the Parquet columns of a schema whose values repeat, so that a dictionary of them pays.

    Names of sessions, times, positions in the log and float32 numbers of windows hardly repeat.
    """
    columns = []
    for field in schema:
        values = field.type.value_type if pa.types.is_list(field.type) else field.type
        unique = pa.types.is_int64(values) or pa.types.is_timestamp(values) or pa.types.is_float32(values)
        if field.name != "session_id" and not unique:
            columns.append(field.name + ".list.element" * pa.types.is_list(field.type))
    return columns


class _HashedFile:
    """A new file for Arrow to write to, whose size and digest are known at the end without reading it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("xb")
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        written = self.file.write(data)
        self.size += written
        return written

    def tell(self) -> int:
        return self.size

    @property
    def closed(self) -> bool:
        return self.file.closed

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()


class PartWriter:
    """Writes a part of a folder once, under a name that no other attempt at the same part has.

    The first attempt at part 7 writes `part-00007-0.parquet`, the second one `part-00007-1.parquet`, even if
    both are at work at once. A file counts when the manifest names it. `remove_other_attempts` removes what a
    failed attempt leaves: the attempt itself can't know whose file has its name by then.

    A part for an address is written to a file of this machine first, and put there whole under a random
    number.

    written: empty without rows; else the file by its path below `folder`. name: of a subfolder, which the
    path begins with.
    """

    def __init__(self, folder: Folder, index: int, schema: pa.Schema, name: str = "") -> None:
        self.folder = folder
        self.stem = f"{name}/part-{index:05}" if name else f"part-{index:05}"
        self.schema = schema
        self.written: dict[str, WrittenFile] = {}
        self._rows = 0
        self._name = ""
        self._file: _HashedFile | None = None
        self._local = folder if isinstance(folder, Path) else None
        self._scratch = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table, cast to the part's schema."""
        if len(table) == 0:
            return
        if self._writer is None:
            self._file = self._create()
            # Without Arrow's schema, columns that were dictionary-encoded in memory are read as strings.
            # Nothing here reads statistics, which take a seventh of the time.
            self._writer = pq.ParquetWriter(
                self._file,
                self.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=_repeating_columns(self.schema),
                write_statistics=False,
                store_schema=False,
            )
        self._writer.write_table(table.select(self.schema.names).cast(self.schema))
        self._rows += len(table)

    def _create(self) -> _HashedFile:
        if self._local is None:
            self._local = self._scratch.enter_context(scratch_folder("part"))
        for number in count():
            attempt = f"{number}" if self._local is self.folder else f"{secrets.randbelow(10**18):018}"
            self._name = f"{self.stem}-{attempt}.parquet"
            path = self._local / self._name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _HashedFile(path)
            except FileExistsError:
                continue
        raise AssertionError

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._scratch:
            if self._writer is None or self._file is None:
                return
            with closing(self._file) as file:
                self._writer.close()
            if kind is not None:
                return
            if isinstance(self.folder, StoredFolder):
                put(file.path, self.folder.file(self._name))
            self.written[self._name] = WrittenFile(
                sha256=file.digest.hexdigest(), bytes=file.size, rows=self._rows
            )


@contextmanager
def new_folder(path: Path, stored: StoredFolder | None = None) -> Iterator[None]:
    """Put an empty folder in the place of an old one with its manifest; remove it if the block raises.

    stored: where the parts go, None: into the folder. Nothing is renamed: the folder is complete when its
    manifest stands beside it.
    """
    # The manifest goes first: a killed run must not leave it beside data that it does not describe.
    remove(manifest_path(path))
    with write_errors_at(path, path):
        remove(path)
        path.mkdir(parents=True)
        try:
            if stored is not None:
                remove_stored_parts(stored)
            yield
        except BaseException:
            with suppress(OSError):
                remove(path)
            if stored is not None:
                with suppress(UserError):
                    remove_stored_parts(stored)
            raise


def remove_other_attempts(folder: Path, parts: Collection[str]) -> None:
    """Remove the parts of a folder that no task reported: `parts` are the names of those that count."""
    for path in folder.rglob("part-*.parquet"):
        if str(path.relative_to(folder)) not in parts:
            remove(path)


def manifest_path(folder: Path) -> Path:
    """Return the path of a folder's manifest: `events.json` beside `events/`."""
    return folder.with_name(folder.name + ".json")


def read_part(
    part: Part, columns: list[str] | None = None, *, coded: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield the row groups of a part as batches, in order: one at a time is in memory.

    `DICTIONARY_COLUMNS` and the columns `coded`, or the values of their lists, are dictionary-encoded.
    """
    with fetched(part) as path:
        metadata = pq.read_metadata(path)
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        names = {*DICTIONARY_COLUMNS, *coded}
        dictionaries = [name for name in paths if name.split(".")[0] in names]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=dictionaries) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns, use_threads=False)
                yield from table.combine_chunks().to_batches()
