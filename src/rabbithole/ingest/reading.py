"""The Spark tasks that read pieces of raw files, set bad lines aside and keep count of every line.

What a task finds out besides its rows goes to a side folder that driver and tasks share: one JSON file
of counts and one Parquet file of bad lines a piece. A task that runs twice writes the same twice.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.formats.columns import RowChecks
from rabbithole.ingest.lines import (
    BYTE_ORDER_MARK,
    RANK_BITS,
    TEXT_LENGTH,
    Block,
    FileRange,
    parse_block,
    read_blocks,
)

REJECTED = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())]
)

Parse = Callable[[pa.Table, RowChecks], tuple[pa.Table, pa.Array | None]]
"""Turns fields (strings) into columns, notes bad rows in the checks, and may say which rows are wanted."""


@dataclass(frozen=True)
class Layout:
    """How the files of a role are written: their columns, whether a header belongs, and their parser."""

    names: tuple[str, ...]
    header: bool
    parse: Parse


def read_range(piece: FileRange, layout: Layout, side: Path) -> Iterator[pa.Table]:
    """Yield a piece's good rows by block, with their `position`, int64; write its facts to `side`."""
    facts: dict[str, Any] = dict.fromkeys(("lines", "header", "blank", "rows", "rejected"), 0)
    bad = REJECTED.empty_table()
    try:
        for offset, text in read_blocks(piece):
            skip = _header(text, layout, piece) if offset == 0 else 0
            facts["header"] += skip > 0
            facts["lines"] += skip > 0
            if skip == len(text):
                continue
            block = parse_block(text[skip:], layout.names)
            checks = RowChecks(len(block.line))
            table, wanted = layout.parse(block.fields, checks)
            bad = pa.concat_tables([bad, _bad_lines(block, checks, piece, facts["lines"])])
            position = (piece.file.rank << RANK_BITS) + offset + skip + block.starts[block.line]
            table = table.append_column("position", pa.array(position))
            good = ~checks.failed
            facts["lines"] += block.lines
            facts["blank"] += block.blank
            facts["rows"] += int(good.sum())
            if wanted is not None:
                good &= wanted.to_numpy(zero_copy_only=False)
            if not good.all():
                table = table.filter(pa.array(good))
            if len(table):
                yield table.combine_chunks()
    except UserError as error:
        # An exception would reach the user wrapped in Spark's and Java's traces.
        facts["error"] = str(error)
    facts["rejected"] = len(bad)
    if len(bad):
        pq.write_table(bad, side / f"{piece.index:06}.parquet")
    partial = side / f".{piece.index:06}.{os.getpid()}"
    partial.write_text(json.dumps(facts), "utf-8")
    partial.replace(side / f"{piece.index:06}.json")


def _header(block: bytes, layout: Layout, piece: FileRange) -> int:
    """Return how many bytes of a file's beginning are a header: 0 if its first line is data.

    Where none belongs, a first line of as many fields as the format has is taken for one when it holds
    letters and no digit. Raises `UserError` when a header names other columns than the format has.
    """
    line = block[: block.find(b"\n") + 1] or block
    fields = [
        field.strip() for field in line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").split(",")
    ]
    named = [field.lower() for field in fields] == list(layout.names)
    text = ",".join(fields)
    wordy = any(map(str.isalpha, text)) and not any(map(str.isdigit, text))
    if layout.header and wordy and not named:
        raise UserError(
            f"{piece.file.name} has the columns {text[:TEXT_LENGTH]}, where {','.join(layout.names)} belong: "
            "bring the file to these columns."
        )
    return len(line) if named or (wordy and len(fields) == len(layout.names)) else 0


def _bad_lines(block: Block, checks: RowChecks, piece: FileRange, before: int) -> pa.Table:
    failed = np.flatnonzero(checks.failed)
    lines = np.concatenate([np.fromiter(block.odd, np.int64, len(block.odd)), block.line[failed]])
    if len(lines) == 0:
        return REJECTED.empty_table()
    reasons = [*block.odd.values(), *checks.reasons.take(pa.array(failed)).to_pylist()]
    order = np.argsort(lines, kind="stable")
    return pa.table(
        {
            "file": pa.array([piece.file.name] * len(lines), pa.string()),
            "line": pa.array(lines[order] + before + 1),
            "reason": pa.array(reasons, pa.string()).take(pa.array(order)),
            "text": pa.array(block.texts(lines[order]), pa.string()),
        },
        schema=REJECTED,
    )


@dataclass(frozen=True)
class Report:
    """What reading found: counts by file, bad lines by reason, and the first five of them."""

    files: list[dict[str, Any]]
    reasons: dict[str, int]
    examples: list[dict[str, Any]]

    def total(self, name: str, roles: Sequence[str] | None = None) -> int:
        """Return a count (lines, header, blank, rows, rejected) over the files of the roles, or all."""
        return sum(file[name] for file in self.files if roles is None or file["role"] in roles)


def collect(pieces: Sequence[FileRange], side: Path, rejected: Path) -> Report:
    """Gather what the tasks left in `side`; write all bad lines, with their lines in the file, to `rejected`.

    Raises `UserError` when a task met a file that can't be read, or has no line that can be.
    """
    files: dict[str, dict[str, Any]] = {}
    reasons: Counter[str] = Counter()
    examples: list[dict[str, Any]] = []
    rejected.mkdir(parents=True)
    with pq.ParquetWriter(rejected / "part-00000.parquet", REJECTED, compression="zstd") as writer:
        for piece in pieces:
            path = side / f"{piece.index:06}.json"
            if not path.exists():
                raise UserError(
                    f"The Spark tasks' notes are not in {side}: driver and workers must share that folder "
                    "(set TMPDIR to one that they do)."
                )
            facts = json.loads(path.read_text("utf-8"))
            if "error" in facts:
                raise UserError(facts["error"])
            empty = {"file": piece.file.name, "role": piece.file.role, "lines": 0}
            file = files.setdefault(piece.file.name, empty)
            if facts["rejected"]:
                bad = pq.read_table(side / f"{piece.index:06}.parquet")
                line = pa.array(bad["line"].to_numpy() + file["lines"])
                bad = bad.set_column(1, "line", line)
                writer.write_table(bad)
                for count in bad["reason"].value_counts().to_pylist():
                    reasons[count["values"]] += count["counts"]
                examples += bad.slice(0, 5 - len(examples)).to_pylist()
            for name in ("lines", "header", "blank", "rows", "rejected"):
                file[name] = file.get(name, 0) + facts[name]
    return Report(list(files.values()), dict(sorted(reasons.items())), examples)


def require_good(report: Report, max_rejected: float, event_roles: tuple[str, ...]) -> None:
    """Raise `UserError`, quoting five, if too large a share of lines is bad or a file has no good one.

    The share is that of the lines of events, and of those of all further files: a log's many properties of
    items don't make up for bad events.
    """
    quoted = "".join(
        f"\n  {bad['file']}:{bad['line']}: {bad['reason']}: {bad['text']}" for bad in report.examples
    )
    for further in (False, True):
        files = [file for file in report.files if (file["role"] not in event_roles) == further]
        lines, rejected = (sum(file[key] for file in files) for key in ("lines", "rejected"))
        if rejected > max_rejected * lines:
            raise UserError(
                f"{rejected:,} of {lines:,} lines can't be read ({rejected / lines:.2%}), more than "
                f"max_rejected allows ({max_rejected:.2%}). The first of them:{quoted}\n"
                "Mend the files, or raise max_rejected."
            )
    for file in report.files:
        if file["rows"] == 0:
            raise UserError(
                f"{file['file']} has no row: of {file['lines']:,} lines {file['header']} is a header, "
                f"{file['blank']:,} are blank and {file['rejected']:,} can't be read."
                f"{quoted if file['rejected'] else ''}"
            )
