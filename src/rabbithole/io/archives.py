"""Detect from its content how a file is packed, and unpack archives (.zip, .7z) under safe names."""

import errno
import shutil
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Literal

import py7zr
from py7zr.exceptions import PasswordRequired
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
    # Frames without data, with which pzstd begins a file.
    **{bytes([first]) + b"\x2a\x4d\x18": "zst" for first in range(0x50, 0x60)},
}
"""First bytes of packed files."""

SIGNATURE_BYTES = max(map(len, SIGNATURES))

ARCHIVES: tuple[Packing, ...] = ("zip", "7z")

STREAM_ENDINGS = (".gz", ".bz2", ".xz", ".zst")

FOREIGN: dict[bytes, str] = {
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x9d": "compress (.Z)",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"PK\x07\x08": "split zip",
}
"""First bytes of packed files that are not read."""

TAR_SIGNATURE = slice(257, 262)
"""Where a tar archive says `ustar`."""


def packing(path: Path) -> Packing | None:
    """Return how a file is packed, by its first bytes; None if it is not."""
    with path.open("rb") as file:
        return signature_of(file.read(SIGNATURE_BYTES))


def signature_of(start: bytes) -> Packing | None:
    """Return how a file is packed, by its first bytes; None if it is not."""
    return next((name for signature, name in SIGNATURES.items() if start.startswith(signature)), None)


def foreign_packing(start: bytes) -> str | None:
    """Return the packing of a file that is not read, by its first 262 bytes or more; None for any other."""
    if start[TAR_SIGNATURE] == b"ustar":
        return "tar"
    return next((name for signature, name in FOREIGN.items() if start.startswith(signature)), None)


def unread_packing(start: bytes, inside: bool) -> str | None:
    """Return what a file is whose content is packed in a way that is not read, in words; None for any other.

    start: its first 262 bytes or more, unpacked if it is a packed file; inside: whether it is one.
    """
    name = signature_of(start) or foreign_packing(start)
    if name is None:
        return None
    what = f"a packed file in a packed file ({name})" if inside else f"a {name} file"
    return f"{what}, which is not read: unpack it, and give the plain file"


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that may hold several files."""
    return packing(path) in ARCHIVES


def members(archive: Path) -> dict[str, int]:
    """Return the size in bytes of each data file in an archive, by its name there.

    Hidden files and those that macOS adds are no data. Raises `UserError` when the archive is damaged,
    contains a path outside its folder or a link, or names two files alike.
    """
    with readable_archive(archive):
        listed = _listed(archive)
    for name, _, _ in listed:
        # py7zr refuses such paths itself, zipfile does not. Windows paths recognise both slashes.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts:
            raise UserError(
                f"{printable(str(archive))} contains a path outside its folder ({printable(name)}): it is "
                "not a published log. Fetch it again, or unpack it yourself and give the plain file."
            )
    data = [
        (name, size, link)
        for name, size, link in listed
        if not base_name(name).startswith(".") and "__MACOSX" not in PureWindowsPath(name).parts
    ]
    twice = [name for name, count in Counter(name for name, _, _ in data).items() if count > 1]
    links = [name for name, _, link in data if link]
    for names, problem in ((twice, "two files called"), (links, "a link called")):
        if names:
            raise UserError(
                f"{printable(str(archive))} holds {problem} {printable(names[0])}: unpack it yourself and "
                "give the plain file."
            )
    return {name: size for name, size, _ in data}


def _listed(archive: Path) -> list[tuple[str, int, bool]]:
    """Return the name and the size in bytes of each file in an archive, and whether it is a link."""
    if packing(archive) == "zip":
        with zipfile.ZipFile(archive) as pack:
            return [
                (info.filename, info.file_size, stat.S_ISLNK(info.external_attr >> 16))
                for info in pack.infolist()
                if not info.is_dir()
            ]
    with py7zr.SevenZipFile(archive) as pack:
        return [
            (info.filename, info.uncompressed, bool(info.is_symlink))
            for info in pack.list()
            if not info.is_directory
        ]


def published_members(archive: Path, published: Sequence[str]) -> list[str]:
    """Return the members of an archive that are files of a published log.

    Those are the members with one of the published names, in their order; else the one with the name of the
    archive, in any case; else the only member. Raises `UserError` where several could be meant.
    """
    sizes = members(archive)
    for names in (published, [archive.stem]):
        matching = [member for name in names for member in sizes if plain_name(member) == name.lower()]
        if len({plain_name(member) for member in matching}) < len(matching):
            shown = ", ".join(map(printable, matching[:5]))
            raise UserError(
                f"{printable(str(archive))} holds several files of one name ({shown}): unpack it yourself "
                "and give the file."
            )
        if matching:
            return matching
    if not sizes:
        raise UserError(f"{printable(str(archive))} holds no file. Fetch it again.")
    if len(sizes) > 1:
        shown = ", ".join(map(printable, list(sizes)[:5]))
        named = " or ".join(dict.fromkeys([*published, archive.stem]))
        raise UserError(
            f"{printable(str(archive))} holds {len(sizes)} files ({shown}): it must hold one, or one "
            f"named {named}. Unpack it yourself and give the file."
        )
    return list(sizes)


def base_name(member: str) -> str:
    """Return the name of a member without its folders."""
    return PurePosixPath(member.replace("\\", "/")).name


def plain_name(member: str) -> str:
    """Return the name of a member in lower case, without its folders and the ending of a packed file."""
    path = PurePosixPath(base_name(member).lower())
    return path.stem if path.suffix in STREAM_ENDINGS else path.name


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
            f"{printable(str(archive))} needs {needed:,} bytes unpacked, and {folder} has {free:,} free: "
            "make room, or set TMPDIR to a larger disk."
        )
    with readable_archive(archive):
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
def readable_archive(archive: Path) -> Iterator[None]:
    """Turn any error of zipfile and py7zr about an archive into one sentence; the disk's stay as they are."""
    try:
        yield
    except UserError:
        raise
    # A damaged archive makes these libraries raise nearly anything: struct.error, TypeError, MemoryError.
    except Exception as error:
        # They seek to the places that a damaged archive names.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        # The text of py7zr's error for encrypted archives is a list of coders.
        reason = "it needs a password" if isinstance(error, PasswordRequired) else str(error)[:200]
        raise UserError(
            f"{printable(str(archive))} can't be unpacked ({printable(reason) or type(error).__name__}): "
            "it is damaged, encrypted or not an archive. Fetch it again, or unpack it yourself and give the "
            "plain file."
        ) from error
