"""Open raw files as streams of bytes: unpacked, and as lines that end in a line feed."""

import bz2
import codecs
import errno
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from rabbithole.errors import UserError, printable
from rabbithole.io.archives import Packing, packing

CHUNK_BYTES = 2**20

PACKED_BYTES = 2**16
"""How much of a .bz2 or .xz file is read at once."""

SAMPLE_BYTES = 2**16
"""Bytes from which a file's encoding and line ends are detected."""


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file for reading; a packed one (gz, bz2, xz, zst, by its content) is unpacked on the way."""
    match pack := packing(path):
        case "gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        case "zst":
            stream = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")
            return stream_of(iter(partial(stream.read, CHUNK_BYTES), b""), stream)
    return unpacked(path.open("rb"), pack)


def unpacked(raw: BinaryIO, pack: Packing | None) -> BinaryIO:
    """Return the unpacked stream of an open file, whose position shows how much of it was needed."""
    match pack:
        case "gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case "bz2":
            return stream_of(_unpack(raw, bz2.BZ2Decompressor), raw)
        case "xz":
            return stream_of(_unpack(raw, lzma.LZMADecompressor), raw)
        case "zst":
            return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
    return raw


def streamed(pack: Packing | None) -> bool:
    """Return whether a file of this packing can only be read from its beginning."""
    return pack in ("gz", "bz2", "xz", "zst")


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn the errors of damaged packed files into one sentence. name: what the user calls the file."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, OSError) as error:
        # gzip, bz2 and Arrow raise OSError without a number; with one, it is the disk's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise UserError(f"{name} can't be unpacked ({printable(str(error))}): fetch it again.") from error


class _PieceReader(io.RawIOBase):
    """Reads the pieces that are made of another stream, and closes that stream."""

    def __init__(self, stream: BinaryIO | pa.NativeFile, pieces: Iterator[bytes]) -> None:
        self.stream, self.pieces = stream, pieces
        self.piece = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        while not self.piece:
            if (piece := next(self.pieces, None)) is None:
                return 0
            self.piece = piece
        count = min(len(view), len(self.piece))
        view[:count], self.piece = self.piece[:count], self.piece[count:]
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def stream_of(pieces: Iterator[bytes], stream: BinaryIO | pa.NativeFile) -> BinaryIO:
    """Return a stream of the pieces that an iterator makes of a stream; both are closed together."""
    return cast(BinaryIO, io.BufferedReader(_PieceReader(stream, pieces), CHUNK_BYTES))


def _unpack(
    file: BinaryIO, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
) -> Iterator[bytes]:
    """Unpack the streams of a .bz2 or .xz file, one after the other, as pbzip2 and `cat` write them.

    Python's own readers stop at a damaged stream after the first, as if the file ended there.
    """
    unpacker = new()
    while True:
        packed = b""
        if unpacker.eof:
            # Streams may be padded with zeros.
            packed = unpacker.unused_data.lstrip(b"\0")
            while not packed:
                if not (block := file.read(PACKED_BYTES)):
                    return
                packed = block.lstrip(b"\0")
            unpacker = new()
        elif unpacker.needs_input and not (packed := file.read(PACKED_BYTES)):
            raise EOFError("it ends in the middle")
        yield unpacker.decompress(packed, CHUNK_BYTES)


def line_feeds(stream: BinaryIO, encoding: str) -> BinaryIO:
    """Return a stream that decodes text, ends its lines in a line feed, and encodes it as UTF-8.

    For encodings and line ends in which the byte of a line feed does not separate the lines.
    """
    decode = codecs.getincrementaldecoder(encoding)("replace").decode
    lines = io.IncrementalNewlineDecoder(None, translate=True)

    def pieces() -> Iterator[bytes]:
        ended = False
        while not ended:
            chunk = stream.read(CHUNK_BYTES)
            ended = not chunk
            yield lines.decode(decode(chunk, ended), ended).encode("utf-8", "replace")

    return stream_of(pieces(), stream)


def text_encoding(sample: bytes, declared: str | None) -> str:
    """Return Python's name of a file's encoding: its byte order mark's, else the declared one, else UTF-8.

    Text in UTF-16 is recognised without a mark too, where every other byte is zero.
    """
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if sample.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    if declared is not None and declared not in ("utf-8", "utf-16"):
        return declared
    zeros = [sample[start:SAMPLE_BYTES:2].count(0) for start in (0, 1)]
    if declared == "utf-16" or (len(sample) > 3 and max(zeros) > 0.4 * len(sample) and min(zeros) == 0):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8"
