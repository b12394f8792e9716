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
from rabbithole.errors import UserError
from rabbithole.formats.base import FileRole
from rabbithole.formats.columns import TIME, RawColumns
from rabbithole.ingest.lines import (
    BYTE_ORDER_MARK,
    RANK_BITS,
    TEXT_LENGTH,
    Block,
    FileRange,
    RawFile,
    parse_block,
    read_blocks,
)

RAW_EVENT_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("timestamp", TIME),
        ("event", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("cost", pa.float64()),
        ("rest", pa.string()),
        ("position", pa.int64()),
    ]
)
"""Rows read from an event role. rest: a further raw field in which two lines may differ; position: the
place of the line in the log, rising from line to line and from file to file."""

REJECTED_SCHEMA = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())]
)


class RangeCounts(BaseModel):
    """Where the lines of a range went; rows: lines that could be read. error: why reading stopped."""

    lines: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
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
    """Return the schema of the rows that `read_range` yields for a role."""
    nothing = RawColumns({name: pa.array([], pa.string()) for name in role.columns})
    return _rows(role, role.parse(nothing), np.array([], np.int64)).schema


def read_range(file_range: FileRange, role: FileRole, side: Path) -> Iterator[pa.Table]:
    """Yield the good rows of a range by block; write its counts and bad lines to `side` at the end."""
    counts = RangeCounts()
    rejected = REJECTED_SCHEMA.empty_table()
    try:
        for offset, text in read_blocks(file_range):
            header = _header_length(text, role, file_range) if offset == 0 else 0
            counts.header += header > 0
            counts.lines += header > 0
            if header == len(text):
                continue
            block = parse_block(text[header:], role.columns, starts_file=offset + header == 0)
            columns = RawColumns(block.columns)
            parsed = role.parse(columns)
            rejected = pa.concat_tables([rejected, _bad_lines(block, columns, file_range, counts.lines)])
            starts = (file_range.file.rank << RANK_BITS) + offset + header + block.starts[block.line]
            rows = _rows(role, parsed, starts)
            good = ~columns.rejected()
            counts.lines += block.lines
            counts.blank += block.blank
            counts.rows += int(good.sum())
            if columns.kept is not None:
                good &= columns.kept.to_numpy(zero_copy_only=False)
            if not good.all():
                rows = rows.filter(pa.array(good))
            if len(rows):
                yield rows.combine_chunks()
    except UserError as error:
        # Raised in a task, it would reach the user inside Spark's and Java's stack traces.
        counts.error = str(error)
    counts.rejected = len(rejected)
    if len(rejected):
        pq.write_table(rejected, rejected_path(side, file_range.index))
    counts.write(side, file_range.index)


def _rows(role: FileRole, parsed: Mapping[str, pa.Array], positions: NDArray[np.int64]) -> pa.Table:
    """Return parsed columns with `position`; rows of events get every column of `RAW_EVENT_SCHEMA`."""
    columns = {**parsed, "position": pa.array(positions)}
    if not role.events:
        return pa.table(columns)
    nulls = {field.name: pa.nulls(len(positions), field.type) for field in RAW_EVENT_SCHEMA}
    return pa.table(nulls | columns).select(RAW_EVENT_SCHEMA.names)


def _header_length(block: bytes, role: FileRole, file_range: FileRange) -> int:
    """Return the bytes of a file's header: 0 if its first line is data.

    Where no header belongs, a first line of the right number of fields counts as one if it has letters and
    no digits. Raises `UserError` for a header with other columns than the role's.
    """
    line = block[: block.find(b"\n") + 1] or block
    fields = [
        field.strip() for field in line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").split(",")
    ]
    named = [field.lower() for field in fields] == list(role.columns)
    text = ",".join(fields)
    only_words = any(map(str.isalpha, text)) and not any(map(str.isdigit, text))
    if role.header and only_words and not named:
        raise UserError(
            f"{file_range.file.name} has the columns {text[:TEXT_LENGTH]}, where {','.join(role.columns)} "
            "belong: bring the file to these columns."
        )
    return len(line) if named or (only_words and len(fields) == len(role.columns)) else 0


def _bad_lines(block: Block, columns: RawColumns, file_range: FileRange, lines_before: int) -> pa.Table:
    rejected = np.flatnonzero(columns.rejected())
    malformed = np.fromiter(block.malformed, np.int64, len(block.malformed))
    lines = np.concatenate([malformed, block.line[rejected]])
    if len(lines) == 0:
        return REJECTED_SCHEMA.empty_table()
    reasons = [*block.malformed.values(), *columns.reasons.take(pa.array(rejected)).to_pylist()]
    order = np.argsort(lines, kind="stable")
    return pa.table(
        {
            "file": pa.array([file_range.file.name] * len(lines), pa.string()),
            "line": pa.array(lines[order] + lines_before + 1),
            "reason": pa.array(reasons, pa.string()).take(pa.array(order)),
            "text": pa.array(block.texts(lines[order]), pa.string()),
        },
        schema=REJECTED_SCHEMA,
    )


EXAMPLES = 5
"""Bad lines that are quoted in messages and in the manifest."""

COUNTS = ("lines", "header", "blank", "rows", "rejected")


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
    rejected.mkdir(parents=True)
    with pq.ParquetWriter(rejected / "part-00000.parquet", REJECTED_SCHEMA, compression="zstd") as writer:
        for file_range in ranges:
            counts = RangeCounts.read(side, file_range.index)
            file = files.setdefault(file_range.file, Counter())
            if counts.rejected:
                bad = pq.read_table(rejected_path(side, file_range.index))
                bad = bad.set_column(1, "line", pa.array(bad["line"].to_numpy() + file["lines"]))
                writer.write_table(bad)
                for count in bad["reason"].value_counts().to_pylist():
                    reasons[count["values"]] += count["counts"]
                first = bad.slice(0, EXAMPLES - len(examples)).to_pylist()
                examples += [RejectedLine(**line) for line in first]
            file.update({name: getattr(counts, name) for name in COUNTS})
    return LineReport(
        [FileCounts(file=file.name, role=file.role, **counts) for file, counts in files.items()],
        dict(sorted(reasons.items())),
        examples,
    )


def require_good(report: LineReport, max_rejected: float, event_roles: Sequence[str]) -> None:
    """Raise `UserError`, quoting bad lines, if too many lines are bad or a file has no good line.

    The fraction of bad lines is checked for the event files and for the other files separately: many good
    item properties do not make up for bad events.
    """
    quoted = "".join(f"\n  {bad.file}:{bad.line}: {bad.reason}: {bad.text}" for bad in report.examples)
    for events in (True, False):
        files = [file for file in report.files if (file.role in event_roles) == events]
        lines, rejected = sum(file.lines for file in files), sum(file.rejected for file in files)
        if rejected > max_rejected * lines:
            raise UserError(
                f"{rejected:,} of {lines:,} lines can't be read ({rejected / lines:.2%}), more than "
                f"max_rejected allows ({max_rejected:.2%}). The first of them:{quoted}\n"
                "Fix the files, or raise max_rejected."
            )
    for file in report.files:
        if file.rows == 0:
            raise UserError(
                f"{file.file} has no row: of {file.lines:,} lines {file.header} is a header, "
                f"{file.blank:,} are blank and {file.rejected:,} can't be read."
                f"{quoted if file.rejected else ''}"
            )
