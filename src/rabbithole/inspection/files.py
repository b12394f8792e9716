"""The files of a log, and pieces of them: the whole of small ones; start, middle and end of large ones."""

import io
import zipfile
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from rabbithole.errors import UserError, printable
from rabbithole.ingest.locate import files_below
from rabbithole.ingest.streams import readable, streamed, unpacked
from rabbithole.io.archives import (
    SIGNATURE_BYTES,
    is_archive,
    members,
    packing,
    readable_archive,
    signature_of,
)

SAMPLE_BYTES = 48 * 2**20
"""Bytes of text that are read of a table. A smaller table is read whole."""

READ_BYTES = 2**16

HEAD_BYTES = 2**20
"""Bytes from which a file's kind, encoding and dialect are detected."""


@dataclass(frozen=True)
class LogFile:
    """A file of a log.

    member: its name in the archive `path`, None for a plain or packed file; size: its bytes.
    """

    path: Path
    member: str | None
    size: int

    @property
    def name(self) -> str:
        """Return what the file is called, without its folders."""
        return Path((self.member or self.path.name).replace("\\", "/")).name

    @property
    def label(self) -> str:
        """Return the file as a person sees it, printable."""
        return printable(f"{self.path}: {self.member}" if self.member else str(self.path))

    @property
    def is_sized(self) -> bool:
        """Return whether `size` is that of the unpacked file."""
        return self.member is not None or packing(self.path) is None

    @property
    def seekable(self) -> bool:
        """Return whether the file can be read from any place."""
        return self.member is None and packing(self.path) is None


class NoTableError(UserError):
    """A file is no readable table. It is left out where there are other files."""

    def __init__(self, file: LogFile, reason: str) -> None:
        super().__init__(f"{file.label}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class LeftOutFile:
    """A file that is no table, and why."""

    file: LogFile
    reason: str


MAX_NAMED_FILES = 5
"""Files that are no table and that are named."""


def left_out_lines(files: Sequence[LeftOutFile]) -> list[str]:
    """Return which files are no table, and why, in words."""
    lines = [f"{printable(left_out.file.name)}: {left_out.reason}" for left_out in files[:MAX_NAMED_FILES]]
    more = len(files) - MAX_NAMED_FILES
    return [*lines, f"{more:,} more files that are no table"] if more > 0 else lines


@dataclass(frozen=True)
class Piece:
    """Bytes of a file: complete lines, but for an archive's or stream's cut at `SAMPLE_BYTES`.

    first: whether it begins with the file; whole: whether it is all of the file.
    """

    data: bytes
    first: bool
    whole: bool


def log_files(names: Sequence[str]) -> list[LogFile]:
    """Return the files that paths, folders, globs and archives stand for; empty ones are left out."""
    files: list[LogFile] = []
    for path in dict.fromkeys(path for name in names for path in files_below(name)):
        if is_archive(path):
            packed = members(path)
            if "[Content_Types].xml" in packed:
                raise UserError(f"{printable(str(path))}: this is an Excel workbook. Save its sheet as CSV.")
            files += [LogFile(path, name, size) for name, size in sorted(packed.items())]
        else:
            files.append(LogFile(path, None, path.stat().st_size))
    files = [file for file in files if file.size]
    if not files:
        raise UserError(f"{', '.join(map(printable, names))}: there is no file with content.")
    return files


def head(file: LogFile) -> bytes:
    """Return the first bytes of a file, unpacked."""
    return _start(file, HEAD_BYTES)[0]


def pieces(file: LogFile, budget: int) -> tuple[list[Piece], int]:
    """Return pieces of a text file, unpacked, and the estimated size of all of it in bytes."""
    if not file.seekable:
        data, size = _start(file, budget)
        whole = len(data) < budget
        return [Piece(data if whole else _complete(data), True, whole)], max(size, len(data))
    if file.size <= budget:
        return [Piece(file.path.read_bytes(), True, True)], file.size
    share = budget // 3
    parts = []
    with file.path.open("rb") as stream:
        for place in (0, (file.size - share) // 2, file.size - share):
            # An even place: text in UTF-16 has two bytes a character.
            stream.seek(place - place % 2)
            data = stream.read(share)
            if place:
                data = data[data.find(b"\n") + 1 :]
            parts.append(Piece(_complete(data), not place, False))
    return parts, file.size


def _complete(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1] or data


def _start(file: LogFile, count: int) -> tuple[bytes, int]:
    """Return the first bytes of a file, unpacked, and the estimated size of all of it unpacked."""
    if file.member is not None:
        with readable_archive(file.path):
            packed = _start_of_member(file, count)
        raw: BinaryIO = io.BytesIO(packed)
        whole = len(packed) < count
    else:
        raw, whole = file.path.open("rb"), True
    with raw, readable(file.label):
        pack = signature_of(raw.read(SIGNATURE_BYTES))
        raw.seek(0)
        data = b""
        with unpacked(raw, pack) if streamed(pack) else raw as stream:
            # The start of a packed member ends anywhere.
            with nullcontext() if whole else suppress(EOFError, OSError):
                while len(data) < count and (more := stream.read(min(count - len(data), READ_BYTES))):
                    data += more
            used = raw.tell()
    return data, round(len(data) * file.size / max(used, 1)) if len(data) == count else len(data)


def _start_of_member(file: LogFile, count: int) -> bytes:
    assert file.member is not None
    if packing(file.path) == "zip":
        with zipfile.ZipFile(file.path) as pack, pack.open(file.member) as stream:
            return stream.read(count)
    with py7zr.SevenZipFile(file.path) as pack:
        sink = _Start(count)
        with suppress(_EnoughError):
            pack.extract(targets=[file.member], factory=_OneSink(sink))
        return sink.data.getvalue()[:count]


class _EnoughError(Exception):
    """Ends the unpacking of a .7z archive."""


class _Start(Py7zIO):
    """Keeps the first bytes of a member, and ends the unpacking when there are enough."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.data = io.BytesIO()

    def write(self, s: bytes | bytearray) -> int:
        self.data.write(s)
        if self.data.tell() >= self.count:
            raise _EnoughError
        return len(s)

    def read(self, size: int | None = None) -> bytes:  # noqa: ARG002 (write only)
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.data.seek(offset, whence)

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self.data.tell()


class _OneSink(WriterFactory):
    def __init__(self, sink: _Start) -> None:
        self.sink = sink

    def create(self, filename: str) -> Py7zIO:  # noqa: ARG002 - one member is unpacked
        return self.sink
