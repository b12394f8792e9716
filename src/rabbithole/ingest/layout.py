"""Find out how each file of a log is written: packing, kind, encoding, columns; refuse what does not fit."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole
from rabbithole.ingest.csv_lines import BYTE_ORDER_MARK, Dialect, split_line
from rabbithole.ingest.joined_lines import joined_lines
from rabbithole.ingest.json_lines import cell_paths, json_paths, parse_json_block
from rabbithole.ingest.locate import partition_values
from rabbithole.ingest.streams import (
    SAMPLE_BYTES,
    line_feeds,
    open_unpacked,
    readable,
    streamed,
    text_encoding,
)
from rabbithole.io.archives import packing, unread_packing

PACKED_RATIO = 6
"""About how much larger a packed log is when unpacked."""

BYTES_PER_ROW = 64
"""Bytes that an unpacked row of a Parquet file takes at least."""

JSON_ARRAY = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*\[\s*\{\s*[\"}]")
"""The beginning of an array of objects."""

MAX_HEADER_BYTES = 2**20

MAX_SHOWN_NAME = 60
"""Characters of a column's name in a message. A file that is no table may be one long name."""


@dataclass(frozen=True)
class FileLayout:
    """How a file is written.

    streamed: whether it can only be read from its beginning; encoding: of its lines as they are read;
    decoded_from: the encoding of a file whose lines are read through `streams.line_feeds`; columns: the
    names of all columns of a CSV file, None for the fixed columns of its format; partitions: the columns
    in the names of the file's folders; size: its bytes when unpacked (an estimate, if it is packed); groups:
    the rows of each row group of a Parquet file; missing: the columns of its role that the file lacks, each
    with a column that has nearly its name ("": none); joined: how records are written that may have several
    lines, None if each is a line.
    """

    kind: Literal["csv", "json", "parquet"] = "csv"
    streamed: bool = False
    encoding: str = "utf-8"
    decoded_from: str | None = None
    columns: tuple[str, ...] | None = None
    partitions: tuple[tuple[str, str | None], ...] = ()
    size: int = 0
    groups: tuple[int, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    joined: Dialect | None = None

    @property
    def missing_columns(self) -> frozenset[str]:
        """Return the names of the columns that the file lacks."""
        return frozenset(name for name, _ in self.missing)


def dialect(role: FileRole, encoding: str) -> Dialect:
    """Return how the lines of a role are written."""
    if role.table is None:
        return Dialect()
    return Dialect(role.table.separator, role.table.quote, encoding, any_bytes=False)


def file_layout(role: FileRole, path: Path, name: str) -> FileLayout:
    """Return the layout of a local file. name: what its user calls it, with its folders.

    Raises `UserError` when the file is empty or damaged, or lacks a column that its role cannot do without.
    """
    size = path.stat().st_size
    if size == 0:
        raise UserError(f"{name} is empty: there is nothing to read. Fetch the file again.")
    pack = packing(path)
    size = size * PACKED_RATIO if streamed(pack) else size
    with readable(name), open_unpacked(path) as file:
        sample = file.read(SAMPLE_BYTES)
    if problem := unread_packing(sample, streamed(pack)):
        raise UserError(f"{name} is {problem}.")
    if role.table is None:
        fixed = _fixed_columns(role, sample)
        missing = () if fixed is None else _missing_columns(role, fixed, name)
        return FileLayout(streamed=streamed(pack), size=size, columns=fixed, missing=missing)
    partitions = tuple(partition_values(name).items())
    if role.table.kind != "parquet" and JSON_ARRAY.match(sample.replace(b"\0", b"")):
        raise UserError(
            f"{name} is one JSON array, and logs have one object a line: write it again, such as with "
            "`jq -c '.[]'`."
        )
    kind = role.table.kind or _kind(sample)
    if kind == "parquet":
        if streamed(pack):
            raise UserError(f"{name} is a packed Parquet file: unpack it, Parquet packs its columns itself.")
        return _parquet_layout(role, path, name, partitions)
    encoding = text_encoding(sample, role.table.encoding)
    decoded = encoding.startswith("utf-16") or (b"\n" not in sample and b"\r" in sample)
    multiline = kind == "csv" and role.table.multiline
    columns: tuple[str, ...] | None = None
    missing = ()
    if kind == "csv":
        with readable(name), open_unpacked(path) as file:
            columns = _csv_columns(role, file, encoding, decoded, name)
        known = [*columns, *(partition for partition, _ in partitions)]
        missing = _missing_columns(role, known, name)
    elif not decoded:
        _check_json(role, sample, encoding, name, known=[partition for partition, _ in partitions])
    return FileLayout(
        kind=kind,
        streamed=streamed(pack) or decoded or multiline,
        encoding="utf-8" if decoded else encoding,
        decoded_from=encoding if decoded else None,
        columns=columns,
        partitions=partitions,
        size=size,
        missing=missing,
        joined=dialect(role, "utf-8" if decoded else encoding) if multiline else None,
    )


def _fixed_columns(role: FileRole, sample: bytes) -> tuple[str, ...] | None:
    """Return the columns of a file of a fixed format that lacks some, None for the format's own.

    A header names them. Without one they are the first ones of the format, as many as most lines have fields.
    """
    if not role.lenient:
        return None
    text = sample.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")
    # The last line may be cut.
    lines = text.splitlines()[: -1 if len(sample) == SAMPLE_BYTES else None]
    rows = [[field.strip() for field in line.split(",")] for line in lines if line]
    if not rows:
        return None
    first = [field.lower() for field in rows[0]]
    by_name = {column.lower(): column for column in role.columns}
    if by_name.keys() & set(first):
        return distinct_names([by_name.get(field, field) for field in first])
    ((fields, _),) = Counter(map(len, rows)).most_common(1)
    return role.columns[:fields] if fields < len(role.columns) else None


def _missing_columns(role: FileRole, known: Sequence[str], name: str) -> tuple[tuple[str, str], ...]:
    """Return the columns of a role that a file lacks, each with a similar one; see `FileLayout.missing`.

    known: the columns of the file. Raises `UserError` for a column that the file must have.
    """
    array = role.table.explode if role.table is not None else None
    wanted = [*role.columns, *([array] if array is not None else [])]
    missing = [column for column in wanted if not any(root in known for root, _ in cell_paths(column))]
    for column in missing:
        if not role.may_lack(column, missing):
            raise _no_column(column, known, name, role)
    free = [other for other in known if other not in role.columns]
    return tuple((column, _similar(column, free)) for column in missing)


def _kind(sample: bytes) -> Literal["csv", "json", "parquet"]:
    if sample.startswith(b"PAR1"):
        return "parquet"
    text = sample.removeprefix(BYTE_ORDER_MARK).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    return "json" if text.startswith(b"{") else "csv"


def _csv_columns(role: FileRole, file: BinaryIO, encoding: str, decoded: bool, name: str) -> tuple[str, ...]:
    """Return the names of all columns of a CSV file, all different."""
    assert role.table is not None
    table = role.table
    lines = line_feeds(file, encoding) if decoded else file
    if table.multiline:
        lines = joined_lines(lines, dialect(role, "utf-8" if decoded else encoding))
    for _ in range(table.skip_lines):
        lines.readline(MAX_HEADER_BYTES)
    raw = lines.readline(MAX_HEADER_BYTES)
    text = raw.removeprefix(BYTE_ORDER_MARK).decode("utf-8" if decoded else encoding, "replace")
    fields = split_line(text.rstrip("\r\n"), dialect(role, encoding))
    if fields is None:
        raise UserError(
            f"{name}: a quote is not closed in the first line. If quotes mean nothing in this file, set "
            "`quote: null`."
        )
    if isinstance(table.header, list):
        cut = table.header[len(fields) :]
        lacks = len(table.header) < len(fields) or not all(role.may_lack(column, cut) for column in cut)
        if len(table.header) != len(fields) and lacks:
            raise UserError(
                f"{name} has {len(fields)} columns in its first line, and the settings name "
                f"{len(table.header)} (header). Is {printable(table.separator)!r} its separator?"
            )
        names = table.header[: len(fields)]
    else:
        names = fields if table.header else [str(number) for number in range(1, len(fields) + 1)]
    return distinct_names([text.strip() for text in names])


def _check_json(role: FileRole, sample: bytes, encoding: str, name: str, known: list[str]) -> None:
    """Refuse a file of JSON lines whose beginning has no trace of a column that each event needs.

    Other columns may be rare: they are empty where they are missing.
    """
    assert role.table is not None
    table = role.table
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    needed = [column for column in table.required_columns if column not in known]
    block = parse_json_block(whole, needed, table.explode, encoding, starts_file=True)
    for column in needed:
        if len(block.line) and block.columns[column].null_count == len(block.line):
            raise _no_column(column, json_paths(whole, encoding), name, role)


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names in which a repeated one has a number, as in `a`, `a (2)`."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)


def _parquet_layout(
    role: FileRole, path: Path, name: str, partitions: tuple[tuple[str, str | None], ...]
) -> FileLayout:
    try:
        with pq.ParquetFile(path) as file:
            metadata, names = file.metadata, file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{name} is a damaged Parquet file ({printable(str(error))}): fetch it again."
        ) from error
    known = [*names, *(partition for partition, _ in partitions)]
    missing = _missing_columns(role, known, name)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    size = sum(max(group.total_byte_size, group.num_rows * BYTES_PER_ROW) for group in groups)
    return FileLayout(
        kind="parquet",
        partitions=partitions,
        size=size,
        groups=tuple(group.num_rows for group in groups),
        missing=missing,
    )


def _similar(column: str, known: Sequence[str]) -> str:
    """Return the column of a file that has nearly a name, "" if there is none."""
    same = [other for other in known if other.lower().strip() == column.lower()]
    return next(iter(get_close_matches(column, known, 1) or same), "")


def _no_column(column: str, known: Sequence[str], name: str, role: FileRole) -> UserError:
    near = _similar(column, known)
    hint = f"; did you mean '{printable(near[:MAX_SHOWN_NAME])}'?" if near else "."
    shown = (
        printable(other[:MAX_SHOWN_NAME]) + "..." * (len(other) > MAX_SHOWN_NAME) for other in known[:20]
    )
    columns = ", ".join(shown) + (", ..." if len(known) > 20 else "")
    place = f"table.{role.name}" if role.table is not None else role.name
    message = f"{name} has no column {column!r} ({place}){hint} Its columns: {columns}."
    if (
        role.table is not None
        and len(known) == 1
        and (separators := [mark for mark in (";", "\t", "|", ",") if mark in known[0]])
    ):
        message += f" Set table.{role.name}.separator to {separators[0]!r}."
    return UserError(message)
