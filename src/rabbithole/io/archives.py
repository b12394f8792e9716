"""Tell how files are packed by their content, and unpack members of archives (.zip, .7z) under safe names."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Literal

import py7zr
from py7zr.exceptions import ArchiveError
from py7zr.io import Py7zIO, WriterFactory

from rabbithole.errors import UserError, printable

Packing = Literal["gz", "bz2", "xz", "zst", "zip", "7z"]

SIGNATURES: dict[bytes, Packing] = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
"""First bytes of packed files."""

ARCHIVES: tuple[Packing, ...] = ("zip", "7z")


def packing(path: Path) -> Packing | None:
    """Return how a file is packed, by its first bytes; None if it is not."""
    with path.open("rb") as file:
        start = file.read(max(map(len, SIGNATURES)))
    return next((name for signature, name in SIGNATURES.items() if start.startswith(signature)), None)


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that may hold several files."""
    return packing(path) in ARCHIVES


def members(archive: Path) -> dict[str, int]:
    """Return the size in bytes of each data file in an archive, by its name there.

    Hidden files and those that macOS adds are no data. Raises `UserError` when the archive is damaged or
    contains a path outside its folder.
    """
    with _readable(archive):
        if packing(archive) == "zip":
            with zipfile.ZipFile(archive) as pack:
                sizes = {info.filename: info.file_size for info in pack.infolist() if not info.is_dir()}
        else:
            with py7zr.SevenZipFile(archive) as pack:
                sizes = {info.filename: info.uncompressed for info in pack.list() if not info.is_directory}
    for name in sizes:
        # py7zr refuses such paths itself, zipfile does not. Windows paths recognise both slashes.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts:
            raise UserError(
                f"{archive} contains a path outside its folder ({printable(name)}): it is not a published "
                "log. Fetch it again, or unpack it yourself and give the plain file."
            )
    return {
        name: size
        for name, size in sizes.items()
        if not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in PurePosixPath(name).parts
    }


def published_members(archive: Path, published: Sequence[str]) -> list[str]:
    """Return the members of an archive that are files of a published log.

    Those are the members with one of the published names, in their order; else the one with the name of the
    archive; else the only member. Raises `UserError` where several could be meant.
    """
    sizes = members(archive)
    for names in (published, [archive.stem]):
        if found := [member for name in names for member in sizes if base_name(member) == name]:
            return found
    if len(sizes) != 1:
        shown = ", ".join(map(printable, list(sizes)[:5]))
        raise UserError(
            f"{archive} holds {len(sizes)} files ({shown}): it must hold one, or one "
            f"named {' or '.join([archive.stem, *published])}. Unpack it yourself and give the file."
        )
    return list(sizes)


def base_name(member: str) -> str:
    """Return the name of a member without its folders."""
    return PurePosixPath(member.replace("\\", "/")).name


def unpack(archive: Path, targets: Mapping[str, Path]) -> None:
    """Unpack members of an archive to files; targets: the file of each member.

    The member's own path is never used, so it cannot escape a folder. Raises `UserError` when the archive is
    damaged, encrypted, or too large for the disk.
    """
    sizes = members(archive)
    folder = next(iter(targets.values())).parent
    needed, free = sum(sizes[name] for name in targets), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{archive} needs {needed:,} bytes unpacked, and {folder} has {free:,} free: "
            "make room, or set TMPDIR to a larger disk."
        )
    with _readable(archive):
        if packing(archive) == "zip":
            with zipfile.ZipFile(archive) as pack:
                for name, target in targets.items():
                    with pack.open(name) as source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink, 2**20)
        else:
            with py7zr.SevenZipFile(archive) as pack:
                # In one pass: the members of a .7z archive are packed together. It skips empty ones.
                for target in targets.values():
                    target.touch()
                with _SinkFactory(targets) as factory:
                    pack.extract(targets=list(targets), factory=factory)


class _SinkFactory(WriterFactory):
    """Makes py7zr write members to chosen files, whatever the members are called."""

    def __init__(self, targets: Mapping[str, Path]) -> None:
        self.targets = {name.replace("\\", "/"): path for name, path in targets.items()}
        self.sinks = ExitStack()

    def create(self, filename: str) -> Py7zIO:
        # py7zr hands names over with slashes, whatever the archive has.
        target = self.targets[filename.replace("\\", "/")]
        return _Sink(self.sinks.enter_context(target.open("wb")))

    def __enter__(self) -> "_SinkFactory":
        return self

    def __exit__(self, *error: object) -> None:
        self.sinks.close()


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
            f"{archive} can't be unpacked ({printable(str(error)) or type(error).__name__}): it is damaged, "
            "encrypted or not an archive. Fetch it again, or unpack it yourself and give the plain file."
        ) from error
