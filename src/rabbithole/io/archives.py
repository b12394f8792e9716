"""Unpack archives (.zip, .7z): one data member each, streamed to a file with a safe name."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

import py7zr
from py7zr.exceptions import ArchiveError
from py7zr.io import Py7zIO, WriterFactory

from rabbithole.errors import UserError


def unpack(archive: Path, names: Sequence[str], folder: Path) -> Path:
    """Unpack the data member of a .zip or .7z archive into `folder`; return its path. Other files stay.

    The data member is the archive's only file, or the one with the name of the archive or one of `names`.
    The member's own path is never used, so it cannot escape the folder. Raises `UserError` when the archive
    contains a path outside its folder, is damaged, encrypted, too large for the disk, or has several
    members that could be meant.
    """
    suffix = archive.suffix.lower()
    if suffix not in (".zip", ".7z"):
        return archive
    target = folder / (archive.name + ".unpacked")
    with _readable(archive):
        if suffix == ".zip":
            _unzip(archive, names, target)
        else:
            _un7z(archive, names, target)
    return target


def _unzip(archive: Path, names: Sequence[str], target: Path) -> None:
    with zipfile.ZipFile(archive) as pack:
        sizes = {info.filename: info.file_size for info in pack.infolist() if not info.is_dir()}
        member = _data_member(archive, sizes, names, target)
        with pack.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 2**20)


def _un7z(archive: Path, names: Sequence[str], target: Path) -> None:
    with py7zr.SevenZipFile(archive) as pack:
        sizes = {info.filename: info.uncompressed for info in pack.list() if not info.is_directory}
        member = _data_member(archive, sizes, names, target)
        with target.open("wb") as sink:
            pack.extract(targets=[member], factory=_SinkFactory(sink))


def _data_member(archive: Path, sizes: dict[str, int], names: Sequence[str], target: Path) -> str:
    for name in sizes:
        # py7zr refuses such paths itself, zipfile does not. Windows paths recognise both slashes.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts:
            raise UserError(
                f"{archive} contains a path outside its folder ({name}): it is not a published log. "
                "Fetch it again, or unpack it yourself and give the plain file."
            )
    data = [
        name
        for name in sizes
        if not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in PurePosixPath(name).parts
    ]
    if len(data) > 1:
        wanted = {archive.stem, *names}
        data = [name for name in data if PurePosixPath(name.replace("\\", "/")).name in wanted]
    if len(data) != 1:
        raise UserError(
            f"{archive} holds {len(sizes)} files ({', '.join(list(sizes)[:5])}): it must hold one, or one "
            f"named {' or '.join([archive.stem, *names])}. Unpack it yourself and give the file."
        )
    free = shutil.disk_usage(target.parent).free
    if sizes[data[0]] > free:
        raise UserError(
            f"{archive} needs {sizes[data[0]]:,} bytes unpacked, and {target.parent} has {free:,} free: "
            "make room, or set TMPDIR to a larger disk."
        )
    return data[0]


class _SinkFactory(WriterFactory):
    """Makes py7zr write a member to an open file, whatever the member is called."""

    def __init__(self, sink: BinaryIO) -> None:
        self.sink = sink

    def create(self, filename: str) -> Py7zIO:  # noqa: ARG002 (the member's name is not trusted)
        return _Sink(self.sink)


class _Sink(Py7zIO):
    def __init__(self, sink: BinaryIO) -> None:
        self.sink = sink

    def write(self, s: bytes | bytearray) -> int:
        return self.sink.write(s)

    def read(self, size: int | None = None) -> bytes:  # noqa: ARG002 (write only)
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.sink.seek(offset, whence)

    def flush(self) -> None:
        self.sink.flush()

    def size(self) -> int:
        return self.sink.tell()


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Turn errors of zipfile and py7zr into one sentence."""
    try:
        yield
    # zipfile raises RuntimeError for encrypted members and unknown compression methods.
    except (zipfile.BadZipFile, ArchiveError, zlib.error, EOFError, RuntimeError) as error:
        raise UserError(
            f"{archive} can't be unpacked ({error or type(error).__name__}): it is damaged, encrypted or "
            "not an archive. Fetch it again, or unpack it yourself and give the plain file."
        ) from error
