"""Read the blocks of a range of any kind of file: separated lines, JSON lines or rows of Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole
from rabbithole.ingest.blocks import TEXT_LENGTH, Block, TextBlock, hash_rows
from rabbithole.ingest.cell_lists import explode_cells
from rabbithole.ingest.csv_lines import BYTE_ORDER_MARK, parse_block
from rabbithole.ingest.joined_lines import BREAK
from rabbithole.ingest.json_lines import follow_cell, parse_json_block
from rabbithole.ingest.layout import FileLayout, dialect
from rabbithole.ingest.lines import FileRange, read_blocks
from rabbithole.ingest.parquet_rows import parquet_blocks, root_column
from rabbithole.ingest.streams import readable

JSON_BYTES = 2**21
"""Size of the text whose JSON values are in memory at once."""

NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class CountedBlock:
    """A block of a file, the number of lines before its first row, and its byte offset (of text).

    breaks: int64, the places in the text at which a record goes on in a further line of the file.
    """

    block: Block
    header: int = 0
    offset: int = 0
    breaks: NDArray[np.int64] = field(default_factory=lambda: NOTHING)


def row_blocks(file_range: FileRange, role: FileRole) -> Iterator[CountedBlock]:
    """Yield the blocks of a range, with the columns of the role.

    Raises `UserError` for a damaged file, and for a header with other columns than the role's.
    """
    layout, table = file_range.file.layout, role.table
    elsewhere = layout.missing_columns | dict(layout.partitions).keys()
    own = [name for name in role.columns if name not in elsewhere]
    explode = None if table is None or table.explode in layout.missing_columns else table.explode
    if table is not None and layout.kind == "parquet":
        groups = range(file_range.start, len(layout.groups) if file_range.end is None else file_range.end)
        with readable(file_range.file.name):
            for rows in parquet_blocks(file_range.file.path, groups, own, explode):
                yield CountedBlock(_completed(rows, role, layout))
        return
    for offset, text in read_blocks(file_range):
        starts_file = offset == 0
        if table is not None and layout.kind == "json":
            for start, piece in _pieces(text):
                lines = parse_json_block(
                    piece,
                    own,
                    explode,
                    layout.encoding,
                    starts_file=starts_file and start == 0,
                    place=offset + start,
                )
                yield CountedBlock(_completed(lines, role, layout), 0, offset + start)
            continue
        names = role.columns if layout.columns is None else layout.columns
        before = _header_lines(text, role, names, file_range) if starts_file else []
        header = sum(map(len, before))
        if header == len(text):
            yield CountedBlock(TextBlock({}, NOTHING, NOTHING, lines=0), len(before))
            continue
        text, breaks = text[header:], NOTHING
        if layout.joined is not None:
            breaks = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(BREAK))
            text = text.replace(BREAK, b" ")
        block = parse_block(
            text,
            names,
            dialect(role, layout.encoding),
            starts_file=starts_file and header == 0,
            place=offset + header,
        )
        if explode is not None and table is not None:
            block = _exploded(block, explode, table.list_separator)
        mapped = block if table is None else _mapped_columns(block, own)
        yield CountedBlock(_completed(mapped, role, layout), len(before), offset + header, breaks)


def _pieces(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield a block in pieces of complete lines, each with its offset: parsed JSON takes much memory."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + JSON_BYTES) + 1 or len(text)
        yield start, text[start:end]
        start = end


def _exploded(block: TextBlock, name: str, separator: str | None) -> TextBlock:
    """Return a block with a row for each item of the lists in the cells of a column."""
    if name not in block.columns:
        return block
    columns, rows, number = explode_cells(block.columns, name, separator)
    # Equal items are repeats only if their lists are equal.
    columns[f"\0{name}"] = block.columns[name].take(pa.array(rows))
    # An item takes a byte of its line at least, so no two rows have the same place.
    places = block.places[rows] + number
    return replace(
        block, columns=columns, line=block.line[rows], places=places, exploded=len(rows) - len(block.line)
    )


def _mapped_columns(block: TextBlock, wanted: Sequence[str]) -> TextBlock:
    """Return a block with the wanted columns alone; the others, and cells that hold JSON, are hashed."""
    columns, plain = {}, set()
    for name in wanted:
        root, parts = root_column(name, list(block.columns))
        if parts:
            cells = block.columns[root].to_pylist()
            columns[name] = pa.array([follow_cell(cell, parts) for cell in cells], pa.string())
        else:
            columns[name] = block.columns[root]
            plain.add(root)
    others = [values for name, values in block.columns.items() if name not in plain]
    return replace(block, columns=columns, rest=hash_rows(others))


def _completed(block: Block, role: FileRole, layout: FileLayout) -> Block:
    """Return a block with the columns that its file does not hold: those of its folders, and missing ones."""
    values = dict.fromkeys(layout.missing_columns) | dict(layout.partitions)
    constant = {
        name: pa.repeat(pa.scalar(values[name], pa.string()), len(block.line))
        for name in role.columns
        if name in values
    }
    return replace(block, columns=block.columns | constant) if constant else block


def _header_lines(block: bytes, role: FileRole, names: Sequence[str], file_range: FileRange) -> list[bytes]:
    """Return the lines of a file before its first row: those that the settings skip, and its header."""
    lines: list[bytes] = []
    place = 0
    while place < len(block) and role.table is not None and len(lines) < role.table.skip_lines:
        lines.append(block[place : block.find(b"\n", place) + 1 or len(block)])
        place += len(lines[-1])
    if header := _header_length(block[place:], role, names, file_range):
        lines.append(block[place : place + header])
    return lines


def _header_length(block: bytes, role: FileRole, names: Sequence[str], file_range: FileRange) -> int:
    """Return the bytes of a file's header: 0 if its first line is data.

    Where no header belongs, a first line of the right number of fields counts as one if it has letters and
    no digits. Raises `UserError` for a header with other columns than the role's.
    """
    line = block[: block.find(b"\n") + 1] or block
    if role.table is not None and role.header:
        return len(line)
    separator = role.table.separator if role.table is not None else ","
    fields = [
        field.strip()
        for field in line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").split(separator)
    ]
    named = [field.lower() for field in fields] == [name.lower() for name in names]
    text = ",".join(fields)
    only_words = any(map(str.isalpha, text)) and not any(map(str.isdigit, text))
    if role.header and only_words and not named:
        raise UserError(
            f"{file_range.file.name} has the columns {printable(text[:TEXT_LENGTH])}, where "
            f"{','.join(names)} belong: bring the file to these columns."
        )
    return len(line) if named or (only_words and len(fields) == len(names)) else 0
