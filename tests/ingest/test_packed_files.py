"""Files are recognised by their content, in any packing, case or archive; what can't be read is refused."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pyarrow as pa
import pytest
from raw_logs import CLICKS

from rabbithole.errors import UserError
from rabbithole.formats.base import log_format, raw_format
from rabbithole.ingest.lines import RawFile, split_files, unpack_all
from rabbithole.ingest.locate import locate
from rabbithole.ingest.reading import LineReport, collect_report, read_range
from rabbithole.inspection.files import head, log_files
from rabbithole.inspection.layout import layout_of
from rabbithole.specs.data import TableLog

FORMAT = raw_format("yoochoose")
BUYS = "9,2014-04-07T10:54:00.000Z,139,523,1\nbad \x1b[31m line\n"


def raw_files(source: Path) -> list[RawFile]:
    """Find and unpack the files of a log."""
    (scratch := source.parent / "scratch").mkdir()
    return unpack_all(FORMAT, locate("yoochoose", str(source)), scratch)


def report_of(source: Path) -> LineReport:
    """Read a log without Spark; return where its lines went."""
    (side := source.parent / "side").mkdir()
    ranges = split_files(raw_files(source), 1)
    roles = {role.name: role for role in FORMAT.roles}
    for file_range in ranges:
        for _ in read_range(file_range, roles[file_range.file.role], side):
            pass
    return collect_report(ranges, side, source.parent / "rejected")


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, zip64: bool = False) -> bytes:
    """Return a zip archive."""
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", method) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(content)
    return buffer.getvalue()


def with_header_byte(content: bytes, *, flags: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive whose headers say so. flags: 1, encrypted; method: 9, Deflate64, as in Windows."""
    packed = bytearray(zipped({"yoochoose-clicks.dat": content}))
    for header, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = packed.find(header) + place
        packed[start], packed[start + 2] = flags, method
    return bytes(packed)


def zstd(content: bytes) -> bytes:
    """Return a .zst file that begins with a frame without data, as pzstd writes it."""
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return b"\x50\x2a\x4d\x18\x04\0\0\0size" + packed.getvalue().to_pybytes()


def seven_zipped(files: dict[str, bytes], password: str | None = None) -> bytes:
    """Return a 7z archive."""
    with py7zr.SevenZipFile(buffer := io.BytesIO(), "w", password=password) as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return buffer.getvalue()


def tarred(content: bytes) -> bytes:
    """Return a tar archive of one file."""
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as archive:
        archive.addfile(info := tarfile.TarInfo("a"), io.BytesIO(content))
        assert info.isfile()
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [zipped, seven_zipped])
def test_two_roles_in_one_archive_are_two_files_with_their_own_counts(
    tmp_path: Path, packed: Callable[[dict[str, bytes]], bytes]
) -> None:
    (folder := tmp_path / "raw").mkdir()
    (folder / "dataset.pack").write_bytes(
        packed(
            {
                "set/YOOCHOOSE-BUYS.dat": BUYS.encode(),
                "set/yoochoose-clicks.dat.gz": gzip.compress(CLICKS.encode()),
                "__MACOSX/._yoochoose-clicks.dat": b"\0\1",
                "readme.txt": b"hello",
            }
        )
    )
    report = report_of(folder)
    pack = folder / "dataset.pack"
    assert [(file.file, file.role, file.lines, file.rejected) for file in report.files] == [
        (f"{pack}/set/yoochoose-clicks.dat.gz", "clicks", 40, 0),
        (f"{pack}/set/YOOCHOOSE-BUYS.dat", "buys", 2, 1),
    ]
    (bad,) = report.examples
    assert (bad.file, bad.line, bad.text) == (
        f"{pack}/set/YOOCHOOSE-BUYS.dat",
        2,
        r"bad \x1b[31m line",
    )


@pytest.mark.parametrize(
    "name", ["yoochoose-clicks.dat", "YOOCHOOSE-CLICKS.DAT.BZ2", "Yoochoose-clicks.dat.xz"]
)
@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_recognised_by_its_content_whatever_its_name(
    tmp_path: Path, name: str, packed: Callable[[bytes], bytes]
) -> None:
    (folder := tmp_path / "raw").mkdir()
    (folder / name).write_bytes(packed(CLICKS.encode()))
    assert report_of(folder).total("rows") == 40


@pytest.mark.parametrize(
    "content",
    [
        zipped({"yoochoose-clicks.dat": CLICKS.encode()}, zip64=True),
        zipped({"yoochoose-clicks.dat": CLICKS.encode()}, zipfile.ZIP_LZMA),
        zipped({"yoochoose-clicks.dat": CLICKS.encode()}, zipfile.ZIP_BZIP2),
        zstd(CLICKS.encode()),
    ],
    ids=["zip64", "lzma in zip", "bzip2 in zip", "pzstd"],
)
def test_rarer_ways_of_packing_are_read(tmp_path: Path, content: bytes) -> None:
    (folder := tmp_path / "raw").mkdir()
    (folder / "yoochoose-clicks.dat").write_bytes(content)
    assert report_of(folder).total("rows") == 40


UNREADABLE = {
    "gz in gz": gzip.compress(gzip.compress(CLICKS.encode())),
    "zip in gz": gzip.compress(zipped({"a": b"1"})),
    "tar": tarred(CLICKS.encode()),
    "tar.gz": gzip.compress(tarred(CLICKS.encode())),
    "zip in zip": zipped({"yoochoose-clicks.dat": zipped({"a": b"1"})}),
    "7z in zip": zipped({"yoochoose-clicks.dat": seven_zipped({"a": b"1"})}),
    "rar": b"Rar!\x1a\x07\x01\x00" + bytes(300),
    "gz": gzip.compress(CLICKS.encode())[:-9],
    "bz2": bz2.compress(CLICKS.encode())[:-9],
    "xz": lzma.compress(CLICKS.encode())[:-9],
    "bytes after bz2": bz2.compress(CLICKS.encode()) + b"garbage",
    "bytes after xz": lzma.compress(CLICKS.encode()) + b"garbage",
    "zip": zipped({"yoochoose-clicks.dat": CLICKS.encode()})[:-5],
    "deflate64": with_header_byte(CLICKS.encode(), method=9),
    "encrypted zip": with_header_byte(CLICKS.encode(), flags=1),
    "encrypted 7z": seven_zipped({"yoochoose-clicks.dat": CLICKS.encode()}, password="secret"),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused_in_one_printable_sentence(tmp_path: Path, content: bytes) -> None:
    (folder := tmp_path / "raw").mkdir()
    (path := folder / "yoochoose-clicks.dat").write_bytes(content)
    message = r"yoochoose-clicks\.dat.* (can't be unpacked|which is not read)"
    with pytest.raises(UserError, match=message) as refused:
        report_of(folder)
    assert str(refused.value).isprintable()
    with pytest.raises(UserError, match=message) as refused_by_inspect:
        layout_of(*log_files([str(path)]))
    assert str(refused_by_inspect.value).isprintable()


@pytest.mark.parametrize("content", [zipped({}), zipped({"__MACOSX/._a": b"1"}), seven_zipped({})])
def test_an_archive_without_a_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "log.csv").write_bytes(content)
    tables = {"events": {"session": "s", "time": "t", "event": "view"}}
    format = log_format("table", TableLog.model_validate({"key": "session", "tables": tables}))
    with pytest.raises(UserError, match=r"log\.csv holds no file"):
        unpack_all(format, {"events": [path]}, tmp_path)


@pytest.mark.parametrize("inner", [gzip.compress, bz2.compress, lzma.compress, zstd])
@pytest.mark.parametrize("outer", [zipped, seven_zipped])
def test_inspect_reads_a_packed_file_in_an_archive_as_a_run_does(
    tmp_path: Path, inner: Callable[[bytes], bytes], outer: Callable[[dict[str, bytes]], bytes]
) -> None:
    (path := tmp_path / "log.zip").write_bytes(outer({"yoochoose-clicks.dat": inner(CLICKS.encode())}))
    assert head(*log_files([str(path)])) == CLICKS.encode()


def test_a_message_about_a_file_that_is_no_table_stays_short(tmp_path: Path) -> None:
    (path := tmp_path / "log.csv").write_bytes(bytes(range(128, 256)) * 500)
    tables = {"events": {"session": "s", "time": "t", "event": "view"}}
    format = log_format("table", TableLog.model_validate({"key": "session", "tables": tables}))
    with pytest.raises(UserError, match="no column 's'") as refused:
        unpack_all(format, {"events": [path]}, tmp_path)
    assert len(str(refused.value)) < len(str(path)) + 1000


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_of_several_streams_is_read_whole_or_refused(
    tmp_path: Path, packed: Callable[[bytes], bytes]
) -> None:
    """Programs that pack with several cores write many streams."""
    second = bytearray(packed(CLICKS.encode()))
    for name, padding in (("whole", b""), ("padded", bytes(8))):
        (folder := tmp_path / name / "raw").mkdir(parents=True)
        (folder / "yoochoose-clicks.dat").write_bytes(packed(CLICKS.encode()) + padding + second + padding)
        assert report_of(folder).total("rows") == 80
    for place in (1, 12, len(second) // 2):
        (folder := tmp_path / str(place) / "raw").mkdir(parents=True)
        damaged = second[:place] + bytes([second[place] ^ 1]) + second[place + 1 :]
        (folder / "yoochoose-clicks.dat").write_bytes(packed(CLICKS.encode()) + damaged)
        with pytest.raises(UserError, match="can't be unpacked"):
            report_of(folder)
