"""Split raw files into ranges, and read the lines of a range in blocks of about 16 MiB.

Plain files are split into byte ranges, so that many tasks read one file, and Parquet files into ranges of row
groups. A packed file is one range.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from rabbithole.errors import UserError
from rabbithole.ingest.layout import FileLayout
from rabbithole.ingest.streams import line_feeds, open_unpacked, readable

BLOCK_BYTES = 16 * 2**20
"""Size of the text that is parsed at once."""

MAX_LINE_BYTES = 16 * 2**20
"""A file with a longer line is not a log."""

MIN_RANGE_BYTES = 2**20
"""A smaller range costs more to start than to read. It also keeps a header within the first range."""

RANK_BITS = 44
"""Low bits of a position: the place in the file. The file's rank is in the bits above."""


@dataclass(frozen=True)
class RawFile:
    """A local file. name: what its user calls it; rank: its place in the order of the log's files."""

    role: str
    name: str
    path: str
    rank: int
    layout: FileLayout = field(default_factory=FileLayout)


@dataclass(frozen=True)
class FileRange:
    """The lines of a file that begin at a byte in [start, end), or the row groups in it of a Parquet file.

    end: None for the end of the file.
    """

    index: int
    file: RawFile
    start: int
    end: int | None


def unpacked_size(files: Iterable[RawFile]) -> int:
    """Return the size of the files in bytes, estimated for packed ones."""
    return sum(file.layout.size or Path(file.path).stat().st_size for file in files)


def split_files(files: Sequence[RawFile], count: int) -> list[FileRange]:
    """Split files into about `count` ranges, in order."""
    step = max(MIN_RANGE_BYTES, -(-unpacked_size(files) // max(1, count)))
    ranges: list[FileRange] = []
    for file in files:
        if file.layout.streamed:
            ranges.append(FileRange(len(ranges), file, 0, None))
            continue
        size = Path(file.path).stat().st_size
        pieces = max(1, round(unpacked_size([file]) / step))
        if file.layout.kind == "parquet":
            size = len(file.layout.groups)
            pieces = max(1, min(pieces, size))
        edges = [size * number // pieces for number in range(pieces)] + [size]
        for start, end in itertools.pairwise(edges):
            ranges.append(FileRange(len(ranges), file, start, end))
    return ranges


def read_blocks(file_range: FileRange) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a range in blocks: (byte offset in the unpacked file, text of complete lines).

    Each line of a file is in exactly one block of exactly one of its ranges. Raises `UserError` for a
    damaged packed file, or a line that is too long.
    """
    with readable(file_range.file.name), _open(file_range.file) as file:
        yield from _blocks(file_range, file)


def _open(file: RawFile) -> BinaryIO:
    stream = open_unpacked(Path(file.path))
    encoding = file.layout.decoded_from
    return stream if encoding is None else line_feeds(stream, encoding)


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
