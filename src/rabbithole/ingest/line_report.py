"""Combine the counts of the reading tasks: lines by file, bad lines by reason; refuse an unusable log."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import FileCounts, RejectedLine
from rabbithole.errors import UserError
from rabbithole.ingest.lines import FileRange, RawFile
from rabbithole.ingest.reading import REJECTED_SCHEMA, RangeCounts, rejected_path

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
