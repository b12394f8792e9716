"""Reads files of scores; writes a table as Parquet or CSV, to a file or the standard output, in batches."""

import errno
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.serving.folder import CHECKPOINT, MANIFEST


def read_scores(path: Path, columns: list[str]) -> pa.Table:
    """Return columns of a file that `predict` wrote; raises `UserError` for any other."""
    reason = None
    try:
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
        chances = table["probability"].to_numpy() if "probability" in columns else np.zeros(1)
        if not ((chances >= 0) & (chances <= 1)).all():
            reason = "it holds probabilities that are missing, or not from 0 to 1"
    except FileNotFoundError:
        reason = "there is no such file"
    # Of a damaged file, Arrow raises OSError without a number.
    except (OSError, pa.ArrowException, TypeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = "it is damaged, or something else" if number in (None, errno.EISDIR) else str(error)
    if reason is not None:
        raise UserError(f"{path}: give a Parquet file that `rabbithole predict` wrote; {reason}.")
    return table


def require_no_folder(path: Path) -> None:
    """Raise `UserError` if a file can't be written, or would replace a folder that has its name."""
    require_writable(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder. Give the name of a file.")


def require_replaceable(path: Path, file: str) -> None:
    """Raise `UserError` for a path that can't be written, or exists and is no older output.

    file: one that an older output holds.
    """
    require_writable(path)
    if os.path.lexists(path) and not (path / file).is_file():
        raise UserError(f"{path} exists already and holds something else. Give another name, or remove it.")


def require_writable(path: Path) -> None:
    """Raise `UserError` if no output can be made at a path, before the work whose output it is."""
    if str(path) == "-":
        raise UserError("-: only `predict` writes to the standard output. Give a name.")
    for parent in path.resolve().parents:
        if (parent / MANIFEST).is_file() and (parent / CHECKPOINT).is_dir():
            raise UserError(
                f"{path} lies in the model folder {parent}, which must stay as it is. Give another name."
            )
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir():
        raise UserError(f"{path} can't be written: {folder} is a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{path} can't be written: the folder {folder} is read-only, or not yours.")


class TableWriter:
    """A file of one schema; `.parquet` or `.csv` by its name, None: CSV on the standard output.

    A file appears whole when the block ends without an error, or not at all. Raises `UserError` for another
    ending, and where a folder has the name.
    """

    def __init__(self, path: Path | None, schema: pa.Schema) -> None:
        if path is not None and path.suffix not in (".parquet", ".csv"):
            raise UserError(f"{path}: the name must end in .parquet or .csv (or be -, for CSV on stdout).")
        if path is not None:
            require_no_folder(path)
        self.path, self.schema = path, schema

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self.writer.write_table(table)

    def __enter__(self) -> "TableWriter":
        self.writer: pq.ParquetWriter | pa.csv.CSVWriter
        with ExitStack() as stack:
            if self.path is None:
                self.writer = stack.enter_context(pa.csv.CSVWriter(sys.stdout.buffer, self.schema))
            else:
                temporary = stack.enter_context(atomic_write(self.path))
                if self.path.suffix == ".csv":
                    self.writer = stack.enter_context(pa.csv.CSVWriter(temporary, self.schema))
                else:
                    parquet = pq.ParquetWriter(
                        temporary, self.schema, compression="zstd", write_page_checksum=True
                    )
                    self.writer = stack.enter_context(parquet)
            # After an error above, the stack closes what is open.
            self.stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)
