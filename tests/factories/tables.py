"""A table of three events, what it becomes, and archives of it."""

import io
import zipfile
from typing import Any

import py7zr
import pyarrow as pa

TABLE: dict[str, Any] = {
    "session": "sid",
    "visitor": "who",
    "time": "at",
    "event": {"column": "what", "words": {"look": "view", "buy": "transaction"}},
    "item": "item",
    "category": {"column": "path", "separator": "/", "levels": 2},
    "cost": "price",
    "fields": {"brand": {"column": "brand"}, "quantity": {"column": "n", "kind": "number"}},
}
HEADER = ["sid", "who", "at", "what", "item", "path", "price", "brand", "n", "note"]
ROWS = [
    ["007", "ann", "2019-10-01 12:00:00", "look", "0012", "a/b/c", "12.50", "Müller & Söhne", "1", "x"],
    ["007", "ann", "2019-10-01 12:01:00", "buy", "0012", "a/b/c", "12.50", "Müller & Söhne", "2.5", "x"],
    ["4a6f-é", "bob", "2019-10-01 12:02:00", "wish", "", "", "", "", "", "x"],
]


def text(rows: list[list[str]] = ROWS, separator: str = ",", end: str = "\n") -> str:
    """Return rows as separated lines."""
    return "".join(separator.join(row) + end for row in rows)


LOG = text([HEADER, *ROWS])

EVENTS = [
    ("007", "ann", "view", "0012", "a/b/c", "a", "a/b", 12.5, "Müller & Söhne", 1.0),
    ("007", "ann", "transaction", "0012", "a/b/c", "a", "a/b", 12.5, "Müller & Söhne", 2.5),
    ("4a6f-é", "bob", "wish", None, None, None, None, None, None, None),
]
COLUMNS = ["session_id", "visitor", "event", "item", "category", "category_1", "category_2", "cost", "brand"]


def values(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what the mapped columns of events hold."""
    return [tuple(row[name] for name in [*COLUMNS, "quantity"]) for row in rows]


def zipped(members: dict[str, str]) -> bytes:
    """Return a .zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def seven_zipped(members: dict[str, str]) -> bytes:
    """Return a .7z archive."""
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    """Return content as a .zst file."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()
