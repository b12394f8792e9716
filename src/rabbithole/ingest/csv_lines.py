"""Parse blocks of separated lines into text columns: one pass of Arrow's parser, bad lines one by one."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from rabbithole.ingest.blocks import TextBlock, line_starts, without_long_lines
from rabbithole.io.columns import whole

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

REPLACEMENT_CHARACTER = "\ufffd".encode()

OPEN_QUOTE = "a quote is not closed on its line"


@dataclass(frozen=True)
class Dialect:
    """How lines are written.

    any_bytes: bytes that are not in the encoding are replaced, so that the checks of their column reject
    them; else their line is malformed.
    """

    separator: str = ","
    quote: str | None = None
    encoding: str = "utf-8"
    any_bytes: bool = True


def parse_block(
    text: bytes, names: Sequence[str], dialect: Dialect, *, starts_file: bool, place: int = 0
) -> TextBlock:
    """Parse a block of complete lines; they may end in CRLF.

    names: the columns, all different; starts_file: whether the block is the beginning of its file, where a
    byte order mark is skipped; place: the byte offset of the block in its file. A line is taken apart by its
    own text alone, whatever lines are around it: a quote that stays open ends with its line.
    """
    starts = line_starts(text)
    line = np.arange(len(starts) - 1, dtype=np.int64)
    lengths = np.diff(starts)
    clean, malformed = without_long_lines(text, starts)
    if malformed:
        line = np.delete(line, list(malformed))
    clean = _normalise_line_ends(clean.removeprefix(BYTE_ORDER_MARK) if starts_file else clean)
    if not clean.isascii():
        clean, wrong = _decode(clean, dialect)
        if wrong:
            malformed |= {int(line[row]): reason for row, reason in wrong.items()}
            line = np.delete(line, list(wrong))
    if clean.startswith(BYTE_ORDER_MARK):
        # Arrow would skip it, and so accept a line that is rejected elsewhere in a block.
        clean = clean.replace(BYTE_ORDER_MARK, REPLACEMENT_CHARACTER, 1)
    table, wrong = _parse_lines(clean, names, dialect, len(line))
    if wrong:
        malformed |= {int(line[row]): reason for row, reason in wrong.items()}
        line = np.delete(line, list(wrong))
    blank = np.zeros(len(line), dtype=bool)
    for candidate in np.flatnonzero(lengths[line] <= 2):
        blank[candidate] = not text[starts[line[candidate]] : starts[line[candidate] + 1]].strip(b"\r\n")
    if blank.any():
        table, line = table.filter(pa.array(~blank)), line[~blank]
    return TextBlock(
        columns={name: whole(table[name]) for name in names},
        line=line,
        places=place + starts[line],
        lines=len(starts) - 1,
        malformed=malformed,
        blank=int(blank.sum()),
        text=text,
        starts=starts,
        encoding=dialect.encoding,
    )


def _normalise_line_ends(text: bytes) -> bytes:
    """Turn CRLF into LF, and other carriage returns into spaces: Arrow would end a line at them."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
        if text.endswith(b"\r"):
            text = text[:-1] + b"\n"
        text = text.replace(b"\r", b" ")
    return text


def _decode(text: bytes, dialect: Dialect) -> tuple[bytes, dict[int, str]]:
    """Return a text in UTF-8, without the lines that are not in its encoding, and the reasons of these."""
    if dialect.any_bytes:
        return text.decode(dialect.encoding, "replace").encode(), {}
    try:
        decoded = text.decode(dialect.encoding)
        return text if dialect.encoding == "utf-8" else decoded.encode(), {}
    except UnicodeDecodeError:
        good: list[bytes] = []
        malformed: dict[int, str] = {}
        for number, line in enumerate(text.splitlines(keepends=True)):
            try:
                good.append(line.decode(dialect.encoding).encode())
            except UnicodeDecodeError:
                malformed[number] = wrong_encoding(dialect.encoding)
        return b"".join(good), malformed


def wrong_encoding(encoding: str) -> str:
    """Return the reason for a line with bytes that its encoding does not have."""
    hint = ", such as windows-1252" if encoding == "utf-8" else ""
    return f"it is not {encoding.upper()} (set `encoding`{hint})"


def _parse_lines(
    text: bytes, names: Sequence[str], dialect: Dialect, count: int
) -> tuple[pa.Table, dict[int, str]]:
    """Return the fields of `count` lines as columns, and the reasons of those that have too few or many."""
    quoted = dialect.quote is not None and dialect.quote.encode() in text
    malformed: dict[int, str] = {}

    def note_malformed(row: pyarrow.csv.InvalidRow) -> str:
        malformed[row.number - 1] = _wrong_number(row.actual_columns, len(names), row.text)
        return "skip"

    if not text:
        # A block of a byte order mark alone is one empty line.
        return pa.table({name: pa.array([""] * count, pa.string()) for name in names}), {}
    if quoted and _last_is_open(text, dialect):
        return _parse_one_by_one(text, names, dialect)
    try:
        table = _parse_csv(text, names, dialect, note_malformed, quoted=quoted)
    except pa.ArrowInvalid:
        if not quoted:
            raise
        return _parse_one_by_one(text, names, dialect)
    if quoted and len(table) + len(malformed) != count:
        # A quote was open at the end of a line, and the line after it became part of its field.
        return _parse_one_by_one(text, names, dialect)
    return table, malformed


def _last_is_open(text: bytes, dialect: Dialect) -> bool:
    """Return whether the last line leaves a quote open: Arrow would take it for closed."""
    end = text.removesuffix(b"\n")
    return split_line(end[end.rfind(b"\n") + 1 :].decode(), dialect) is None


def _wrong_number(fields: int, wanted: int, line: str | None) -> str:
    # Spark and MySQL write quotes within a field so.
    hint = ' (\\" ends a field: write "" for a quote within one)' if '\\"' in (line or "") else ""
    return f"{fields} field{'s' * (fields != 1)} instead of {wanted}{hint}"


def _parse_csv(
    text: bytes, names: Sequence[str], dialect: Dialect, on_malformed: object, *, quoted: bool
) -> pa.Table:
    return pyarrow.csv.read_csv(
        pa.BufferReader(text),
        # Arrow numbers malformed rows only with one thread and one block.
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(names), use_threads=False, block_size=len(text) + 1
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=dialect.quote if quoted else False,
            ignore_empty_lines=False,
            invalid_row_handler=on_malformed,
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in names}),
    )


def _parse_one_by_one(text: bytes, names: Sequence[str], dialect: Dialect) -> tuple[pa.Table, dict[int, str]]:
    """Take lines apart as `_parse_lines` does, each by itself."""
    rows: list[list[str]] = []
    malformed: dict[int, str] = {}
    for number, line in enumerate(text.decode().removesuffix("\n").split("\n")):
        fields = split_line(line, dialect)
        if fields is None:
            malformed[number] = OPEN_QUOTE
        elif not line:
            rows.append([""] * len(names))
        elif len(fields) != len(names):
            malformed[number] = _wrong_number(len(fields), len(names), line)
        else:
            rows.append(fields)
    columns = zip(*rows, strict=True) if rows else itertools.repeat((), len(names))
    return pa.table([pa.array(list(values), pa.string()) for values in columns], list(names)), malformed


def split_line(line: str, dialect: Dialect) -> list[str] | None:
    """Return the fields of one line, None if a quote stays open."""
    # As `_normalise_line_ends` does: to Python's reader it ends the line.
    line = line.replace("\r", " ")
    if dialect.quote is None:
        return line.split(dialect.separator)
    csv.field_size_limit(2**31 - 1)
    reader: Iterator[list[str]] = csv.reader(
        [line, ""], delimiter=dialect.separator, quotechar=dialect.quote, strict=False
    )
    fields = next(reader)
    # The second line is read with the first if a quote of the first is open.
    return fields if next(reader, None) is not None else None
