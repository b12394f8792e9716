"""Read ranges of raw files in Spark tasks: parse lines, set bad ones aside, count and report every line.

Besides its rows, a task leaves its counts (JSON) and its bad lines (Parquet) in a side folder that driver
and tasks share. A task that runs twice writes the same files twice.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel

from rabbithole.artifacts.data import FileCounts, RejectedLine
from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole
from rabbithole.formats.columns import RawColumns
from rabbithole.ingest.blocks import TextBlock
from rabbithole.ingest.hashed_ids import HIDDEN, IdHasher
from rabbithole.ingest.lines import RANK_BITS, Allowance, FileRange, RawFile
from rabbithole.ingest.row_blocks import CountedBlock, row_blocks
from rabbithole.ingest.row_schema import RAW_EVENT_SCHEMA

REJECTED_SCHEMA = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())]
)


class RangeCounts(BaseModel):
    """Where the lines of a range went.

    rows: rows that could be read; left_out: of these, rows that nobody needs; exploded: events beyond the
    first of their line; error: why reading stopped.
    """

    lines: int = 0
    exploded: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
    left_out: int = 0
    rejected: int = 0
    error: str | None = None

    def write(self, side: Path, index: int) -> None:
        """Write the counts of a range to the side folder."""
        partial = side / f".{index:06}.{os.getpid()}"
        partial.write_text(self.model_dump_json(), "utf-8")
        partial.replace(side / f"{index:06}.json")

    @classmethod
    def read(cls, side: Path, index: int) -> "RangeCounts":
        """Read the counts of a range; raise `UserError` when its task left none or met an error."""
        path = side / f"{index:06}.json"
        if not path.exists():
            raise UserError(
                f"The counts of the Spark tasks are not in {side}: driver and workers must share that folder "
                "(set TMPDIR to one that they do)."
            )
        counts = cls.model_validate_json(path.read_text("utf-8"))
        if counts.error is not None:
            raise UserError(counts.error)
        return counts


def rejected_path(side: Path, index: int) -> Path:
    """Return the file of a range's bad lines in the side folder; there is none without bad lines."""
    return side / f"{index:06}.parquet"


def row_schema(role: FileRole) -> pa.Schema:
    """Return the schema of the rows that `read_range` yields for a role whose columns are fixed."""
    nothing = RawColumns({name: pa.array([], pa.string()) for name in role.columns})
    schema = RAW_EVENT_SCHEMA if role.events else None
    return _rows(schema, role.parse(nothing), np.array([], np.int64), None).schema


def read_range(
    file_range: FileRange,
    role: FileRole,
    side: Path,
    schema: pa.Schema | None = None,
    allowance: Allowance | None = None,
    hasher: IdHasher | None = None,
) -> Iterator[pa.Table]:
    """Yield the good rows of a range by block; write its counts and bad lines to `side`.

    schema: of rows of events, as `raw_event_schema` returns it (None: `RAW_EVENT_SCHEMA`). Reading stops,
    with an error in the counts, once the allowance (None: all lines) is exceeded. hasher: hashes ids, and
    then bad lines are kept without their text.
    """
    counts = RangeCounts()
    bad = _BadLines(side, file_range.index)
    # Lines of records that are not their first. They have no count: a record counts as one line.
    breaks = 0
    if role.events and schema is None:
        schema = RAW_EVENT_SCHEMA
    try:
        for counted in row_blocks(file_range, role):
            block, before = counted.block, counts.lines + counted.header
            counts.header += counted.header
            counts.lines = before + block.lines
            counts.blank += block.blank
            counts.exploded += block.exploded
            if block.lines == 0:
                continue
            columns = RawColumns(block.columns)
            parsed = role.parse(columns)
            bad.write(_bad_lines(counted, columns, file_range, before + breaks, hidden=hasher is not None))
            breaks += len(counted.breaks)
            counts.rejected = bad.count
            if allowance is not None and isinstance(block, TextBlock):
                end = int(counted.offset + block.starts[-1]) - file_range.start
                if allowance.exceeded(counts.rejected, counts.lines, end):
                    raise UserError(_too_many(file_range, counts, allowance, bad.first))
            places = (file_range.file.rank << RANK_BITS) + block.places
            rows = _rows(schema, parsed, places, block.rest)
            good = ~columns.rejected()
            counts.rows += int(good.sum())
            if columns.kept is not None:
                kept = columns.kept.to_numpy(zero_copy_only=False)
                counts.left_out += int((good & ~kept).sum())
                good &= kept
            if not good.all():
                rows = rows.filter(pa.array(good))
            if len(rows):
                rows = rows.combine_chunks()
                yield rows if hasher is None else hasher(rows)
    except UserError as error:
        # Raised in a task, it would reach the user inside Spark's and Java's stack traces.
        counts.error = str(error)
    bad.close()
    counts.write(side, file_range.index)


class _BadLines:
    """Writes the bad lines of a range as they come: there may be more of them than fit in memory."""

    def __init__(self, side: Path, index: int) -> None:
        self.path = rejected_path(side, index)
        self.partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self.writer: pq.ParquetWriter | None = None
        self.count = 0
        self.first: list[RejectedLine] = []

    def write(self, lines: pa.Table) -> None:
        if len(lines) == 0:
            return
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.partial, REJECTED_SCHEMA)
        self.writer.write_table(lines)
        self.count += len(lines)
        self.first += [
            RejectedLine(**line) for line in lines.slice(0, MAX_EXAMPLES - len(self.first)).to_pylist()
        ]

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.partial.replace(self.path)


RAISE = (
    "Fix the files, or raise max_rejected of the data set (for a log that a model scores: of its section in "
    "`predict:` or `monitor:`, or --max-rejected)."
)
"""What a user can do where too many lines are bad."""


def _too_many(
    file_range: FileRange, counts: RangeCounts, allowance: Allowance, first: Sequence[RejectedLine]
) -> str:
    # Lines of a range in the middle of its file are counted from its beginning.
    shown = "".join(f"\n  {line.reason}: {line.text}" for line in first)
    return (
        f"{file_range.file.name}: {counts.rejected:,} of the {counts.lines:,} lines that were read can't be "
        f"read, more than max_rejected allows ({allowance.share:.2%}) whatever the rest of the log holds. "
        f"The first of them:{shown}\n{RAISE}"
    )


def _rows(
    schema: pa.Schema | None,
    parsed: Mapping[str, pa.Array],
    positions: NDArray[np.int64],
    rest: pa.Array | None,
) -> pa.Table:
    """Return parsed columns with `position`; rows of events get every column of their schema."""
    columns = {**parsed, "position": pa.array(positions)}
    if rest is not None:
        columns["rest"] = rest
    if schema is None:
        return pa.table(columns)
    coded = {}
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            values = pa.nulls(len(positions), field.type)
        # Arrow does not cast texts to dictionaries.
        coded[field.name] = values.dictionary_encode() if pa.types.is_dictionary(field.type) else values
    return pa.table(coded).cast(schema)


def _bad_lines(
    counted: CountedBlock, columns: RawColumns, file_range: FileRange, lines_before: int, *, hidden: bool
) -> pa.Table:
    """Return the lines that are set aside. hidden: without their text."""
    block = counted.block
    rejected = np.flatnonzero(columns.rejected())
    malformed = np.fromiter(block.malformed, np.int64, len(block.malformed))
    lines = np.concatenate([malformed, block.line[rejected]])
    if len(lines) == 0:
        return REJECTED_SCHEMA.empty_table()
    reasons = [*block.malformed.values(), *columns.reasons.take(pa.array(rejected)).to_pylist()]
    order = np.argsort(lines, kind="stable")
    inner = np.zeros(len(lines), np.int64)
    if isinstance(block, TextBlock):
        inner = np.searchsorted(counted.breaks, block.starts[lines[order]])
    return pa.table(
        {
            "file": pa.array([file_range.file.name] * len(lines), pa.string()),
            "line": pa.array(lines[order] + lines_before + 1 + inner),
            "reason": pa.array([printable(reasons[number]) for number in order.tolist()], pa.string()),
            "text": pa.array([HIDDEN] * len(lines) if hidden else block.texts(lines[order]), pa.string()),
        },
        schema=REJECTED_SCHEMA,
    )


MAX_EXAMPLES = 5
"""Bad lines that are quoted in messages and in the manifest."""

COUNTS = ("lines", "exploded", "header", "blank", "rows", "left_out", "rejected")


@dataclass(frozen=True)
class LineReport:
    """Counts by file, number of bad lines by reason (sorted), and the first bad lines."""

    files: list[FileCounts]
    reasons: dict[str, int]
    examples: list[RejectedLine]

    def total(self, name: str, roles: Sequence[str] | None = None) -> int:
        """Return the sum of a count over the files of some roles, or of all files."""
        return sum(getattr(file, name) for file in self.files if roles is None or file.role in roles)


def collect_report(ranges: Sequence[FileRange], side: Path, rejected: Path) -> LineReport:
    """Combine what the tasks left in `side`; write all bad lines to the folder `rejected`.

    Lines are numbered within their file, from 1. Raises `UserError` when a task could not read its file.
    """
    files: dict[RawFile, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    examples: list[RejectedLine] = []
    rejected.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(rejected / "part-00000.parquet", REJECTED_SCHEMA, compression="zstd") as writer:
        for file_range in ranges:
            counts = RangeCounts.read(side, file_range.index)
            file = files.setdefault(file_range.file, Counter())
            if counts.rejected:
                with pq.ParquetFile(rejected_path(side, file_range.index)) as lines:
                    for batch in lines.iter_batches():
                        bad = pa.table(batch)
                        bad = bad.set_column(1, "line", pa.array(bad["line"].to_numpy() + file["lines"]))
                        writer.write_table(bad)
                        for count in bad["reason"].value_counts().to_pylist():
                            reasons[count["values"]] += count["counts"]
                        first = bad.slice(0, MAX_EXAMPLES - len(examples)).to_pylist()
                        examples += [RejectedLine(**line) for line in first]
            file.update({name: getattr(counts, name) for name in COUNTS})
    return LineReport(
        [
            FileCounts(file=file.name, role=file.role, missing_columns=dict(file.layout.missing), **counts)
            for file, counts in files.items()
        ],
        dict(sorted(reasons.items())),
        examples,
    )


def require_good(
    report: LineReport, max_rejected: float, event_roles: Sequence[str], in_parts: Sequence[str] = ()
) -> None:
    """Raise `UserError`, quoting bad lines, if too many lines are bad or a file has no good line.

    in_parts: roles of which some files may have no line at all but a header, as parts of a table.

    The fraction of bad lines is checked for the event files and for the other files separately: many good
    item properties do not make up for bad events.
    """
    quoted = "".join(f"\n  {bad.file}:{bad.line}: {bad.reason}: {bad.text}" for bad in report.examples)
    for events in (True, False):
        files = [file for file in report.files if (file.role in event_roles) == events]
        lines = sum(file.lines + file.exploded for file in files)
        rejected = sum(file.rejected for file in files)
        if rejected > max_rejected * lines:
            raise UserError(
                f"{rejected:,} of {lines:,} lines can't be read ({rejected / lines:.2%}), more than "
                f"max_rejected allows ({max_rejected:.2%}). The first of them:{quoted}\n{RAISE}"
            )
    with_rows = {file.role for file in report.files if file.rows} & set(in_parts)
    for file in report.files:
        if file.rows == 0 and (file.rejected or file.role not in with_rows):
            raise UserError(
                f"{file.file} has no row: of {file.lines:,} lines {file.header} is a header, "
                f"{file.blank:,} are blank and {file.rejected:,} can't be read."
                f"{quoted if file.rejected else ''}"
            )
