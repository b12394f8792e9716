"""Split raw files into ranges, and read the lines of a range in blocks of about 16 MiB.

Plain files are split into byte ranges, so that many tasks read one file, and Parquet files into ranges of row
groups. A packed file is one range.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rabbithole.ingest.blocks import MAX_LINE_BYTES, line_starts
from rabbithole.ingest.layout import FileLayout
from rabbithole.ingest.streams import line_feeds, open_unpacked, readable
from rabbithole.io.archives import packing

BLOCK_BYTES = 16 * 2**20
"""Size of the text that is parsed at once."""

BLOCK_LINES = 2**20
"""Lines that are parsed at once: a block of very short ones is cut."""

DEFLATE_RATIO = 1032
"""The most that deflate can gain. Source: the technical details of zlib."""

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


def most_lines(file: RawFile, explodes: bool) -> float:
    """Return a number of rows that a file cannot exceed; infinite where nothing limits it.

    A line has a byte, and deflate packs 1,032 of them into one. explodes: whether a line may be many rows.
    """
    if explodes or file.layout.kind == "parquet":
        return math.inf
    ratios = {None: 1, "gz": DEFLATE_RATIO}
    # A byte of another encoding is three of UTF-8 at most.
    ratio = ratios.get(packing(Path(file.path)), math.inf) * (1 if file.layout.decoded_from is None else 3)
    return ratio * Path(file.path).stat().st_size


def read_blocks(file_range: FileRange) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a range in blocks: (byte offset in the unpacked file, text of complete lines).

    Each line of a file is in exactly one block of exactly one of its ranges. Of a line that is far too long
    only the beginning is yielded, and still too much of it. Raises `UserError` for a damaged packed file.
    """
    with readable(file_range.file.name), _open(file_range.file) as file:
        for offset, block in _blocks(file_range, file):
            start = 0
            for end in _cuts(block):
                yield offset + start, block[start:end] if end - start < len(block) else block
                start = end


def _cuts(block: bytes) -> list[int]:
    """Return where a block is cut into pieces of at most `BLOCK_LINES` lines: the end of each piece."""
    if np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")) <= BLOCK_LINES:
        return [len(block)]
    ends = line_starts(block)[BLOCK_LINES::BLOCK_LINES].tolist()
    return ends if ends[-1] == len(block) else [*ends, len(block)]


def _open(file: RawFile) -> BinaryIO:
    stream = open_unpacked(Path(file.path))
    encoding = file.layout.decoded_from
    return stream if encoding is None else line_feeds(stream, encoding)


def _blocks(file_range: FileRange, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset, end = file_range.start, file_range.end
    if offset > 0:
        # The line with the byte before the range belongs to the range before.
        file.seek(offset - 1)
        rest, skipped = _rest_of_line(file)
        offset += len(rest) + skipped - 1
    while end is None or offset < end:
        block = file.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - offset))
        if not block:
            return
        skipped = 0
        if not block.endswith(b"\n"):
            rest, skipped = _rest_of_line(file)
            block += rest
        yield offset, block
        offset += len(block) + skipped


def _rest_of_line(file: BinaryIO) -> tuple[bytes, int]:
    """Return the rest of a line, and how many more bytes of it were skipped: all beyond `MAX_LINE_BYTES`."""
    rest = more = file.readline(MAX_LINE_BYTES)
    skipped = 0
    while len(more) == MAX_LINE_BYTES and not more.endswith(b"\n"):
        more = file.readline(MAX_LINE_BYTES)
        skipped += len(more)
    if not skipped:
        return rest, 0
    # The line keeps its end, so that its block holds complete lines.
    return (rest + b"\n", skipped - 1) if more.endswith(b"\n") else (rest, skipped)
