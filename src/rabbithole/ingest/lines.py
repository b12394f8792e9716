"""Unpack the raw files of a log, split them into ranges, and read a range in blocks of about 16 MiB.

Plain files are split into byte ranges, so that many tasks read one file, and Parquet files into ranges of row
groups. A packed file is one range. A log with too many bad lines is not read to its end.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rabbithole.errors import UserError, printable
from rabbithole.formats.base import FileRole, RawFormat
from rabbithole.ingest.blocks import MAX_LINE_BYTES, line_starts
from rabbithole.ingest.joined_lines import joined_lines
from rabbithole.ingest.layout import FileLayout, file_layout
from rabbithole.ingest.locate import chosen_members, matches
from rabbithole.ingest.streams import line_feeds, open_unpacked, readable
from rabbithole.io.archives import is_archive, members, packing, published_members, unpack

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


def unpack_all(format: RawFormat, files: Mapping[str, Sequence[Path]], scratch: Path) -> list[RawFile]:
    """Return the files of a log, in the order of its roles; members of archives are unpacked to `scratch`.

    A file keeps the name that its user knows: an archive's members are named below it. Raises `UserError` for
    a damaged archive, and as `file_layout` does.
    """
    listed: list[tuple[FileRole, Path, str]] = []
    targets: dict[Path, dict[str, Path]] = {}
    for role in format.roles:
        for path in files.get(role.name, []):
            if not is_archive(path):
                listed.append((role, path.absolute(), str(path)))
                continue
            for member in _members(role, path):
                target = scratch / f"member-{len(listed):06}"
                # A member that two roles read is unpacked once.
                target = targets.setdefault(path, {}).setdefault(member, target)
                listed.append((role, target, f"{path}/{member}"))
    listed = [entry for entry in listed if not _is_empty_part(entry, listed)]
    for archive, of_archive in targets.items():
        unpack(archive, of_archive)
    raw = []
    for rank, (role, path, name) in enumerate(listed):
        name = printable(name)
        raw.append(RawFile(role.name, name, str(path), rank, file_layout(role, path, name)))
    return raw


def _is_empty_part(entry: tuple[FileRole, Path, str], listed: Sequence[tuple[FileRole, Path, str]]) -> bool:
    """Return whether a file is a part of a table without a byte, beside others: jobs write such parts.

    Members of archives are not there yet, and none of them is empty.
    """
    role, path, _ = entry
    if role.table is None or not path.exists() or path.stat().st_size:
        return False
    others = (other for of_role, other, _ in listed if of_role is role and other != path)
    return any(not other.exists() or other.stat().st_size for other in others)


def _members(role: FileRole, archive: Path) -> list[str]:
    """Return the members of an archive that belong to a role."""
    if role.table is None:
        return published_members(archive, role.published)
    if not (names := members(archive)):
        raise UserError(f"{printable(str(archive))} holds no file. Fetch it again.")
    chosen = chosen_members(archive, role)
    return chosen or (sorted(names) if matches(archive.name, role.published) else [])


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

    A line has at least one byte, and deflate packs at most 1,032 bytes into one. explodes: whether a line may
    be many rows.
    """
    if explodes or file.layout.kind == "parquet":
        return math.inf
    ratios = {None: 1, "gz": DEFLATE_RATIO}
    # A byte of another encoding is three of UTF-8 at most.
    ratio = ratios.get(packing(Path(file.path)), math.inf) * (1 if file.layout.decoded_from is None else 3)
    return ratio * Path(file.path).stat().st_size


def read_blocks(file_range: FileRange) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a range in blocks: (byte offset in the unpacked file, text of complete lines).

    Each line of a file is in exactly one block of exactly one of its ranges. Only the beginning of a line
    that is far too long is yielded, and it is still too long. Raises `UserError` for a damaged packed file.
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
    encoding, records = file.layout.decoded_from, file.layout.joined
    if encoding is not None:
        stream = line_feeds(stream, encoding)
    return stream if records is None else joined_lines(stream, records)


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


FEW_LINES = 100_000
"""Bad lines of a range that are read in any case: the message then gives the share of the whole log."""


@dataclass(frozen=True)
class Allowance:
    """The most bad lines that a group of files may have; a range is a part of one of them.

    share: of their lines (`max_rejected`); lines: an upper bound of the number of their lines.
    """

    share: float
    lines: float

    @classmethod
    def of(cls, files: Iterable[RawFile], roles: Mapping[str, FileRole], share: float) -> "Allowance":
        """Return the allowance of files whose lines are counted together."""
        explodes = {name: role.table is not None and bool(role.table.explode) for name, role in roles.items()}
        return cls(share, sum(most_lines(file, explodes[file.role]) for file in files))

    def exceeded(self, rejected: int, lines: int, end: int) -> bool:
        """Return whether too many lines are bad, whatever the rest of the files holds.

        rejected, lines: of a range so far; end: the bytes of the range so far.
        """
        if rejected < FEW_LINES:
            return False
        # The lines of the range so far are known. Each byte of the rest may be a line.
        possible = self.lines - max(0, end - lines)
        return rejected > self.share * possible
