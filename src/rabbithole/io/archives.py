"""Archives (.zip, .7z) become plain files: one data member each, streamed, under a name of our own."""

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
    """Return a plain or .gz file as it is; unpack a .zip or .7z archive's data member into `folder`.

    The data member is the archive's only file, or the one named like the archive or like one of `names`.
    The member's own path is never used, so none can escape the folder. Raises `UserError` when the
    archive names a file outside its folder, is damaged, encrypted, too large for the disk, or leaves open
    which member is meant.
    """
    suffix = archive.suffix.lower()
    if suffix not in (".zip", ".7z"):
        return archive
    target = folder / (archive.name + ".unpacked")
    with _mended(archive):
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
            pack.extract(targets=[member], factory=_Into(sink))


def _data_member(archive: Path, sizes: dict[str, int], names: Sequence[str], target: Path) -> str:
    for name in sizes:
        # py7zr refuses these on its own; a .zip must not be trusted more. Windows' rules know both slashes.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts:
            raise UserError(
                f"{archive} holds a file that is to lie outside its folder ({name}): it is no published log. "
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


class _Into(WriterFactory):
    """Gives py7zr the one open file to write a member's bytes to, whatever the member is called."""

    def __init__(self, sink: BinaryIO) -> None:
        self.sink = sink

    def create(self, filename: str) -> Py7zIO:  # noqa: ARG002 (the member's name is not to be trusted)
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
def _mended(archive: Path) -> Iterator[None]:
    """Turn what zipfile and py7zr raise on a bad archive into one sentence."""
    try:
        yield
    # zipfile's RuntimeError: encrypted, or compressed in a way that it doesn't know.
    except (zipfile.BadZipFile, ArchiveError, zlib.error, EOFError, RuntimeError) as error:
        raise UserError(
            f"{archive} can't be unpacked ({error or type(error).__name__}): it is damaged, encrypted or "
            "no such archive. Fetch it again, or unpack it yourself and give the plain file."
        ) from error
