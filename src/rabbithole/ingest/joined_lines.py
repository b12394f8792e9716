"""Join the lines of a quoted field with line breaks in it (RFC 4180), so that each record is one line."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from rabbithole.ingest.blocks import MAX_LINE_BYTES
from rabbithole.ingest.csv_lines import Dialect
from rabbithole.ingest.streams import CHUNK_BYTES, stream_of

BREAK = b"\v"
"""Stands in the place of a line break within a field. Others of this byte become spaces."""

MAX_JOINED = 200
"""Lines of a record at most. A quote that is not closed by then is a stray one, and ends with its line."""


class _Records:
    """Joins the lines of a stream."""

    def __init__(self, stream: BinaryIO, dialect: Dialect) -> None:
        assert dialect.quote is not None
        self.stream = stream
        self.dialect = dialect
        self.quote = dialect.quote.encode(dialect.encoding)
        self.waiting: deque[bytes] = deque()

    def pieces(self) -> Iterator[bytes]:
        """Yield some complete records at a time."""
        while chunk := self.stream.read(CHUNK_BYTES):
            if not chunk.endswith(b"\n"):
                chunk += self.stream.readline(MAX_LINE_BYTES)
            chunk = chunk.replace(BREAK, b" ")
            if self.quote not in chunk:
                yield chunk
                continue
            self.waiting.extend(io.BytesIO(chunk))
            records = []
            while self.waiting:
                records.append(self._record() if self.quote in self.waiting[0] else self.waiting.popleft())
            yield b"".join(records)

    def _record(self) -> bytes:
        """Return the next line, joined with those after it up to the one that closes its quote."""
        lines: list[bytes] = []
        closed = True

        def feed() -> Iterator[str]:
            nonlocal closed
            while len(lines) < MAX_JOINED and (line := self._line()):
                lines.append(line)
                # To Python's reader, another carriage return ends the line.
                yield line.decode(self.dialect.encoding, "replace").rstrip("\r\n").replace("\r", " ") + "\n"
            # Asked for a further line, as a quote is open.
            closed = False

        csv.field_size_limit(2**31 - 1)
        next(csv.reader(feed(), delimiter=self.dialect.separator, quotechar=self.dialect.quote, strict=False))
        if closed:
            end = lines[-1][-1:] if lines[-1].endswith(b"\n") else b""
            return b"".join(lines).removesuffix(b"\n").replace(b"\n", BREAK) + end
        self.waiting.extendleft(reversed(lines[1:]))
        return lines[0]

    def _line(self) -> bytes:
        if self.waiting:
            return self.waiting.popleft()
        return self.stream.readline(MAX_LINE_BYTES).replace(BREAK, b" ")


def joined_lines(stream: BinaryIO, dialect: Dialect) -> BinaryIO:
    """Return a stream of lines in which a line feed within quotes is `BREAK`; each byte keeps its place.

    A line whose quote is never closed stays a line.
    """
    return stream_of(_Records(stream, dialect).pieces(), stream)


def joined_text(text: str, dialect: Dialect) -> str:
    """Return a text with a line for each record."""
    utf_8 = Dialect(dialect.separator, dialect.quote)
    with joined_lines(io.BytesIO(text.encode()), utf_8) as records:
        return records.read().decode()
