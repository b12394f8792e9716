"""Writes a table as Parquet or CSV, to a file or to the standard output, batch by batch."""

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write


class TableWriter:
    """A file of one schema; `.parquet` or `.csv` by its name, None: CSV on the standard output.

    A file appears whole when the block ends without an error, or not at all. Raises `UserError` for another
    ending.
    """

    def __init__(self, path: Path | None, schema: pa.Schema) -> None:
        if path is not None and path.suffix not in (".parquet", ".csv"):
            raise UserError(f"{path}: the name must end in .parquet or .csv (or be -, for CSV on stdout).")
        self.path, self.schema = path, schema
        self.stack = ExitStack()

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self.writer.write_table(table)

    def __enter__(self) -> "TableWriter":
        self.writer: pq.ParquetWriter | pa.csv.CSVWriter
        if self.path is None:
            self.writer = self.stack.enter_context(pa.csv.CSVWriter(sys.stdout.buffer, self.schema))
            return self
        temporary = self.stack.enter_context(atomic_write(self.path))
        if self.path.suffix == ".csv":
            self.writer = self.stack.enter_context(pa.csv.CSVWriter(temporary, self.schema))
        else:
            self.writer = self.stack.enter_context(
                pq.ParquetWriter(temporary, self.schema, compression="zstd")
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)
