"""Read a raw text log in ranges of complete lines, and parse blocks of lines into text columns.

Plain files are split into byte ranges, so that many tasks read one file; a .gz file is one range. A range
is read in blocks of about 16 MiB, each of which is one pass of Arrow's CSV parser. Only bad lines are
handled one by one.
"""

import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from rabbithole.counts import plural
from rabbithole.errors import UserError

BLOCK_BYTES = 16 * 2**20
"""Size of the text that is parsed at once."""

MAX_LINE_BYTES = 16 * 2**20
"""A file with a longer line is not a log."""

MIN_RANGE_BYTES = 2**20
"""A smaller range costs more to start than to read. It also keeps a header within the first range."""

TEXT_LENGTH = 200
"""Characters of a bad line that are kept."""

GZIP_RATIO = 6
"""About how much larger a .gz log is when unpacked."""

RANK_BITS = 44
"""Low bits of a position: the byte offset in the file. The file's rank is in the bits above."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

REPLACEMENT_CHARACTER = "\ufffd".encode()


@dataclass(frozen=True)
class RawFile:
    """A local file. name: what its user calls it; rank: its place in the order of the log's files."""

    role: str
    name: str
    path: str
    rank: int


@dataclass(frozen=True)
class FileRange:
    """The lines of a file that begin at a byte in [start, end); end is None for the end of the file."""

    index: int
    file: RawFile
    start: int
    end: int | None


def unpacked_size(files: Iterable[RawFile]) -> int:
    """Return the size of the files in bytes, estimated for .gz files."""
    sizes = ((Path(file.path).stat().st_size, file.path.endswith(".gz")) for file in files)
    return sum(size * GZIP_RATIO if packed else size for size, packed in sizes)


def split_files(files: Sequence[RawFile], count: int) -> list[FileRange]:
    """Split files into about `count` ranges, in order; raise `UserError` for an empty file."""
    sizes = [Path(file.path).stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        if size == 0:
            raise UserError(f"{file.name} is empty: there is nothing to read. Fetch the file again.")
    step = max(MIN_RANGE_BYTES, -(-sum(sizes) // max(1, count)))
    ranges: list[FileRange] = []
    for file, size in zip(files, sizes, strict=True):
        if file.path.endswith(".gz"):
            ranges.append(FileRange(len(ranges), file, 0, None))
            continue
        pieces = max(1, round(size / step))
        edges = [size * number // pieces for number in range(pieces)] + [size]
        for start, end in itertools.pairwise(edges):
            ranges.append(FileRange(len(ranges), file, start, end))
    return ranges


def read_blocks(file_range: FileRange) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a range in blocks: (byte offset in the unpacked file, text of complete lines).

    Each line of a file is in exactly one block of exactly one of its ranges. Raises `UserError` for a
    damaged .gz file, or a line that is too long.
    """
    try:
        with _open(file_range.file.path) as file:
            yield from _blocks(file_range, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{file_range.file.name} can't be unpacked ({error}): fetch it again.") from error


def _open(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return Path(path).open("rb")


def _blocks(file_range: FileRange, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset, end = file_range.start, file_range.end
    if offset > 0:
        # The line with the byte before the range belongs to the range before.
        file.seek(offset - 1)
        offset += len(_rest_of_line(file_range, file)) - 1
    while end is None or offset < end:
        block = file.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - offset))
        if not block:
            return
        if not block.endswith(b"\n"):
            block += _rest_of_line(file_range, file)
        yield offset, block
        offset += len(block)


def _rest_of_line(file_range: FileRange, file: BinaryIO) -> bytes:
    rest = file.readline(MAX_LINE_BYTES)
    if len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
        raise UserError(
            f"{file_range.file.name} has a line of over {MAX_LINE_BYTES:,} bytes near byte "
            f"{file_range.start:,}: this is no text log."
        )
    return rest


@dataclass(frozen=True)
class Block:
    """The parsed lines of a block.

    columns: text columns (string) of the rows that have the right number of fields; line: int64 [rows],
    the line of each row within the block, from 0; starts: int64 [lines + 1], byte offsets of the lines
    within the block; malformed: line -> reason why it is not a row; blank: number of lines without content.
    """

    text: bytes
    columns: dict[str, pa.Array]
    line: NDArray[np.int64]
    starts: NDArray[np.int64]
    malformed: dict[int, str]
    blank: int

    @property
    def lines(self) -> int:
        """Return the number of lines, including blank ones."""
        return len(self.starts) - 1

    def texts(self, lines: NDArray[np.int64]) -> list[str]:
        """Return the text of some lines, without line ends, cut to `TEXT_LENGTH` characters."""
        spans = zip(self.starts[lines].tolist(), self.starts[lines + 1].tolist(), strict=True)
        # A character has four bytes at most.
        cuts = (self.text[start : min(end, start + 4 * TEXT_LENGTH)] for start, end in spans)
        return [cut.decode("utf-8", "replace").rstrip("\r\n")[:TEXT_LENGTH] for cut in cuts]


def parse_block(text: bytes, names: Sequence[str], *, starts_file: bool) -> Block:
    """Parse a block of complete comma-separated lines without quotes; lines may end in CRLF.

    starts_file: whether the block is the beginning of its file, where a byte order mark is skipped. Bytes
    that are not UTF-8 are replaced, so that the checks of their column reject them line by line.
    """
    starts = _line_starts(text)
    clean = _normalise_line_ends(text.removeprefix(BYTE_ORDER_MARK) if starts_file else text)
    if not clean.isascii():
        clean = clean.decode("utf-8", "replace").encode()
    if clean.startswith(BYTE_ORDER_MARK):
        # Arrow would skip it, and so accept a line that is rejected elsewhere in a block.
        clean = clean.replace(BYTE_ORDER_MARK, REPLACEMENT_CHARACTER, 1)
    malformed: dict[int, str] = {}

    def note_malformed(row: pyarrow.csv.InvalidRow) -> str:
        malformed[row.number - 1] = f"{plural(row.actual_columns, 'field')} instead of {len(names)}"
        return "skip"

    table = _parse_csv(clean, names, note_malformed)
    line = np.arange(len(starts) - 1, dtype=np.int64)
    if malformed:
        line = np.delete(line, list(malformed))
    lengths = np.diff(starts)
    blank = np.zeros(len(line), dtype=bool)
    for candidate in np.flatnonzero(lengths[line] <= 2):
        blank[candidate] = not text[starts[line[candidate]] : starts[line[candidate] + 1]].strip(b"\r\n")
    if blank.any():
        table, line = table.filter(pa.array(~blank)), line[~blank]
    columns = {name: table[name].combine_chunks() for name in names}
    return Block(text, columns, line, starts, malformed, int(blank.sum()))


def _line_starts(text: bytes) -> NDArray[np.int64]:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    if len(ends) == 0 or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    return np.concatenate([[0], ends]).astype(np.int64)


def _normalise_line_ends(text: bytes) -> bytes:
    """Turn CRLF into LF, and other carriage returns into spaces: Arrow would end a line at them."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
        if text.endswith(b"\r"):
            text = text[:-1] + b"\n"
        text = text.replace(b"\r", b" ")
    return text


def _parse_csv(text: bytes, names: Sequence[str], on_malformed: object) -> pa.Table:
    if not text:
        return pa.table({name: pa.array([""], pa.string()) for name in names})
    return pyarrow.csv.read_csv(
        pa.BufferReader(text),
        # Arrow numbers malformed rows only with one thread and one block.
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(names), use_threads=False, block_size=len(text) + 1
        ),
        parse_options=pyarrow.csv.ParseOptions(
            quote_char=False, ignore_empty_lines=False, invalid_row_handler=on_malformed
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in names}),
    )
