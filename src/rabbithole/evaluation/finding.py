"""The result of a check, and how checks read columns."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.tables import data_files


@dataclass(frozen=True)
class Check:
    """What was asked, whether it holds, and what was found, in words."""

    name: str
    holds: bool
    found: str


def read_columns(folder: Path, columns: list[str]) -> pa.Table:
    """Return columns of all the Parquet files of a folder, as one table."""
    return pa.concat_tables(pq.read_table(path, columns=columns) for path in data_files(folder))
