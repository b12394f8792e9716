"""Side tables of a log: category and cost of items over time, which go from tasks to files, and the tree."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from rabbithole.formats.base import FileRole, HistoryName, RawFormat
from rabbithole.formats.side_tables import CategoryTree, SideTables
from rabbithole.ingest.lines import Allowance, FileRange, unpacked_size
from rabbithole.ingest.reading import read_range, row_schema
from rabbithole.io.asof import AsOfFile, history_rows, write_history
from rabbithole.spark.shuffle import REPORT_SCHEMA, Sent, ShufflePlan, filled, shuffle
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.specs.data import SparkOptions

CATEGORY_ROOTS = "_roots.parquet"
CATEGORY_HISTORY = "_category.parquet"
COST_HISTORY = "_cost.parquet"
"""Side tables in the folder of events. Their names begin with `_`, so that readers of events skip them."""

HISTORY_SENT = pa.schema(
    [
        ("item", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("order", pa.int64()),
        ("category", pa.string()),
        ("cost", pa.float64()),
    ]
)
"""What tasks send of category and cost over time: one of the two is null. Each is a partition of its own."""

HISTORIES: dict[HistoryName, str] = {"category": CATEGORY_HISTORY, "cost": COST_HISTORY}


def build_side_tables(
    session: SparkSession,
    spark: SparkOptions,
    format: RawFormat,
    ranges: list[FileRange],
    side: Path,
    max_rejected: float,
    events: Path,
    known: Mapping[HistoryName, Path],
) -> SideTables:
    """Read the files that are not events, write the side tables to the folder of events, and return them.

    Category and cost of items over time go from tasks to files: they may be larger than memory.
    """
    assert format.side_tables is not None
    roles = {role.name: role for role in format.roles if not role.events}
    ranges = ranges_of(ranges, list(roles))
    allowance = Allowance.of({file_range.file for file_range in ranges}, roles, max_rejected)
    of_items, split = ranges_of(ranges, [format.side_tables.histories]), format.side_tables.split
    role, run_bytes = roles[format.side_tables.histories], spark.run_bytes

    def read(index: int) -> Iterator[Sent]:
        if index == len(of_items):
            for name, file in known.items():
                for rows in history_rows(file):
                    yield _sent_history(name, rows)
            return
        for table in read_range(of_items[index], role, side, allowance=allowance):
            for name, rows in split(table).items():
                yield _sent_history(name, rows)

    def gather(partition: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        name = list(HISTORIES)[partition]
        columns = ["item", "time", "order", name]
        runs = (rows.select(columns).rename_columns([*columns[:3], "value"]) for rows in tables)
        value = HISTORY_SENT.field(name).with_name("value")
        write_history(events / HISTORIES[name], runs, value, run_bytes)
        yield pa.record_batch({"facts": ["{}"]})

    if of_items or known:
        plan = ShufflePlan(HISTORY_SENT, len(HISTORIES), run_bytes)
        with watch_tasks(session, reading(of_items), Stage("sorting item data")):
            shuffle(session, len(of_items) + 1, read, plan, gather, REPORT_SCHEMA)
    for name, file in HISTORIES.items():
        if not (events / file).exists():
            write_history(events / file, iter(()), HISTORY_SENT.field(name).with_name("value"), 0)
    tree_role = format.side_tables.tree
    rows = _read_rows(roles[tree_role], ranges_of(ranges, [tree_role]), side, allowance)
    tree = CategoryTree.build(rows) if len(rows) else None
    if tree is not None:
        pq.write_table(tree.roots, events / CATEGORY_ROOTS)
    tables = {name: AsOfFile(events / file) for name, file in HISTORIES.items()}
    return SideTables(tables["category"], tables["cost"], tree)


def _sent_history(name: HistoryName, rows: pa.Table) -> Sent:
    table = rows.select(["item", "time", "order", "value"]).rename_columns(["item", "time", "order", name])
    return filled(table, HISTORY_SENT), np.full(len(rows), list(HISTORIES).index(name), np.int32)


def _read_rows(role: FileRole, ranges: list[FileRange], side: Path, allowance: Allowance) -> pa.Table:
    """Return the rows of all ranges of a small role, in their order."""
    tables = [
        table for part in ranges for table in read_range(part, role, side, allowance=allowance) if len(table)
    ]
    return pa.concat_tables([row_schema(role).empty_table(), *tables])


def ranges_of(ranges: list[FileRange], roles: Sequence[str]) -> list[FileRange]:
    """Return the ranges of the files of some roles."""
    return [file_range for file_range in ranges if file_range.file.role in roles]


def reading(ranges: list[FileRange]) -> Stage:
    """Return the stage that reads ranges."""
    size = unpacked_size({file_range.file for file_range in ranges})
    return Stage(f"reading {', '.join(sorted({r.file.role for r in ranges}))}", size / 1e6, "MB")
