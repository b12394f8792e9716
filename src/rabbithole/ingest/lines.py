"""A raw text log, read in pieces of whole lines whose place in the file is known.

Plain files are cut into byte ranges, so that many tasks read one file; a .gz file is one piece. A piece
is read in blocks of about 16 MiB; each block is one pass of Arrow's CSV parser. Nothing is done per line,
except where a line is bad.
"""

import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from rabbithole.errors import UserError

BLOCK_BYTES = 16 * 2**20
"""How much text is parsed at once."""

LINE_BYTES = 16 * 2**20
"""A line longer than this is no line of a log."""

TEXT_LENGTH = 200
"""How many characters of a bad line are kept."""

RANK_BITS = 44
"""Bits of a position that hold the byte offset in a file; the file's rank stands above them."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class RawFile:
    """A file to read and the name that its user knows it by; `rank` orders the files of a log."""

    role: str
    name: str
    path: str
    rank: int


@dataclass(frozen=True)
class FileRange:
    """The lines of a file that begin at a byte in [`start`, `end`); None is the file's end."""

    index: int
    file: RawFile
    start: int
    end: int | None


def split_files(files: Sequence[RawFile], pieces: int) -> list[FileRange]:
    """Cut files into about as many pieces as asked for, in order; raise `UserError` for an empty file."""
    sizes = [Path(file.path).stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        if size == 0:
            raise UserError(f"{file.name} is empty: there is nothing to read. Fetch the file again.")
    step = max(2**20, -(-sum(sizes) // max(1, pieces)))
    cuts: list[FileRange] = []
    for file, size in zip(files, sizes, strict=True):
        if file.path.endswith(".gz"):
            cuts.append(FileRange(len(cuts), file, 0, None))
            continue
        count = max(1, round(size / step))
        edges = [size * number // count for number in range(count)] + [size]
        for start, end in itertools.pairwise(edges):
            cuts.append(FileRange(len(cuts), file, start, end))
    return cuts


def read_blocks(piece: FileRange) -> Iterator[tuple[int, bytes]]:
    """Yield the piece's text as (byte offset in the unpacked file, whole lines), every line once.

    Raises `UserError` on a damaged .gz file or a line without end.
    """
    try:
        with _open(piece.file.path) as file:
            yield from _blocks(piece, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{piece.file.name} can't be unpacked ({error}): fetch it again.") from error


def _open(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return Path(path).open("rb")


def _blocks(piece: FileRange, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = piece.start
    if offset > 0:
        # The line that holds the byte before the piece belongs to the piece before.
        file.seek(offset - 1)
        offset += len(_rest_of_line(piece, file)) - 1
    while piece.end is None or offset < piece.end:
        block = file.read(BLOCK_BYTES if piece.end is None else min(BLOCK_BYTES, piece.end - offset))
        if not block:
            return
        if not block.endswith(b"\n"):
            block += _rest_of_line(piece, file)
        yield offset, block
        offset += len(block)


def _rest_of_line(piece: FileRange, file: BinaryIO) -> bytes:
    rest = file.readline(LINE_BYTES)
    if len(rest) == LINE_BYTES and not rest.endswith(b"\n"):
        raise UserError(
            f"{piece.file.name} has a line of over {LINE_BYTES:,} bytes near byte {piece.start:,}: "
            "this is no text log."
        )
    return rest


@dataclass(frozen=True)
class Block:
    """The lines of a block.

    `fields`: the rows that have the right number of fields, as strings; `line`: int64 [rows], each row's
    line within the block, from 0; `starts`: int64 [lines + 1], byte offsets of lines within the block;
    `odd`: line -> why it is no row at all; `blank`: how many lines hold nothing.
    """

    text: bytes
    fields: pa.Table
    line: NDArray[np.int64]
    starts: NDArray[np.int64]
    odd: dict[int, str]
    blank: int

    @property
    def lines(self) -> int:
        """Return the number of lines, blank ones included."""
        return len(self.starts) - 1

    def texts(self, lines: NDArray[np.int64]) -> list[str]:
        """Return the text of the given lines, without line ends, cut to 200 characters."""
        spans = zip(self.starts[lines].tolist(), self.starts[lines + 1].tolist(), strict=True)
        # Four bytes are the most that one character takes.
        cuts = (self.text[start : min(end, start + 4 * TEXT_LENGTH)] for start, end in spans)
        return [cut.decode("utf-8", "replace").rstrip("\r\n")[:TEXT_LENGTH] for cut in cuts]


def parse_block(text: bytes, names: Sequence[str]) -> Block:
    """Parse a block of whole comma-separated lines without quotes; CRLF ends count as line ends."""
    starts = _line_starts(text)
    clean = _one_kind_of_line_end(text)
    odd: dict[int, str] = {}

    def keep_why(row: pyarrow.csv.InvalidRow) -> str:
        odd[row.number - 1] = (
            f"{row.actual_columns} field{'s' * (row.actual_columns != 1)} instead of {len(names)}"
        )
        return "skip"

    try:
        fields = _fields(clean, names, keep_why)
    except pa.ArrowInvalid:
        # Bytes that are no UTF-8: what replaces them fails the checks of its field, line by line.
        odd.clear()
        fields = _fields(clean.decode("utf-8", "replace").encode(), names, keep_why)
    line = np.arange(len(starts) - 1, dtype=np.int64)
    if odd:
        line = np.delete(line, list(odd))
    lengths = np.diff(starts)
    blank = np.zeros(len(line), dtype=bool)
    for candidate in np.flatnonzero(lengths[line] <= 2):
        blank[candidate] = not text[starts[line[candidate]] : starts[line[candidate] + 1]].strip(b"\r\n")
    if blank.any():
        fields, line = fields.filter(pa.array(~blank)), line[~blank]
    return Block(text, fields, line, starts, odd, int(blank.sum()))


def _line_starts(text: bytes) -> NDArray[np.int64]:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    if len(ends) == 0 or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    return np.concatenate([[0], ends]).astype(np.int64)


def _one_kind_of_line_end(text: bytes) -> bytes:
    """Take away a byte order mark and carriage returns, as Arrow would see a line end in a lone one."""
    if text.startswith(BYTE_ORDER_MARK):
        text = text[len(BYTE_ORDER_MARK) :]
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
        if text.endswith(b"\r"):
            text = text[:-1]
        text = text.replace(b"\r", b" ")
    return text


def _fields(text: bytes, names: Sequence[str], on_odd: object) -> pa.Table:
    if not text:
        return pa.table({name: pa.array([""], pa.string()) for name in names})
    return pyarrow.csv.read_csv(
        pa.BufferReader(text),
        # One thread and one block, or Arrow doesn't tell the numbers of bad rows.
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(names), use_threads=False, block_size=len(text) + 1
        ),
        parse_options=pyarrow.csv.ParseOptions(
            quote_char=False, ignore_empty_lines=False, invalid_row_handler=on_odd
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in names}),
    ).combine_chunks()
