"""Parse blocks of JSON lines into text columns; an array may be taken apart into a row for each item."""

import hashlib
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import pyarrow as pa

from rabbithole.ingest.blocks import TextBlock, line_starts
from rabbithole.ingest.csv_lines import BYTE_ORDER_MARK
from rabbithole.ingest.paths import DECODER, Json, as_text, follow


def parse_json_block(
    text: bytes,
    columns: Sequence[str],
    explode: str | None,
    encoding: str,
    *,
    starts_file: bool,
    place: int = 0,
) -> TextBlock:
    """Parse a block of complete lines with one JSON object each.

    columns: the paths that are read; explode: the path of an array, each of whose items is a row of its own
    (a line without items is one row without an item); starts_file, place: as in `csv_lines.parse_block`.
    """
    starts = line_starts(text)
    offsets = starts.tolist()
    within = [_paths_below(column, explode) for column in columns]
    outer = [
        None if below is not None else column.split(".")
        for column, below in zip(columns, within, strict=True)
    ]
    values: list[list[str | None]] = [[] for _ in columns]
    line: list[int] = []
    places: list[int] = []
    rest: list[int] = []
    malformed: dict[int, str] = {}
    blank = exploded = 0
    array = explode.split(".") if explode is not None else None
    for number in range(len(offsets) - 1):
        raw = text[offsets[number] : offsets[number + 1]]
        if starts_file and number == 0:
            raw = raw.removeprefix(BYTE_ORDER_MARK)
        raw = raw.strip()
        if not raw:
            blank += 1
            continue
        record = _parse(raw, encoding)
        if isinstance(record, str):
            malformed[number] = record
            continue
        items: list[Json] = [None]
        if array is not None:
            listed = follow(record, array)
            items = listed if isinstance(listed, list) and listed else items
        shared = [None if parts is None else as_text(_at(record, parts)) for parts in outer]
        digest = int.from_bytes(hashlib.blake2b(raw, digest_size=7).digest())
        for index, item in enumerate(items):
            for column, below in enumerate(within):
                values[column].append(shared[column] if below is None else as_text(follow(item, below)))
            line.append(number)
            places.append(offsets[number] + index)
            rest.append(digest if array is None else digest ^ crc32(repr(item).encode("utf-8", "replace")))
        exploded += len(items) - 1
    return TextBlock(
        columns={name: _text_array(texts) for name, texts in zip(columns, values, strict=True)},
        line=np.array(line, np.int64),
        places=place + np.array(places, np.int64),
        lines=len(starts) - 1,
        malformed=malformed,
        blank=blank,
        exploded=exploded,
        rest=pa.array(rest, pa.uint64()),
        text=text,
        starts=starts,
        encoding=encoding,
    )


def json_paths(text: bytes, encoding: str, lines: int = 100) -> list[str]:
    """Return the paths of all values in the first lines of a text, the shortest first."""
    paths: dict[str, None] = {}
    for raw in text.splitlines()[:lines]:
        record = _parse(raw.removeprefix(BYTE_ORDER_MARK), encoding)
        if isinstance(record, dict):
            paths |= dict.fromkeys(_paths_of(record, ""))
    return sorted(paths, key=lambda path: (path.count("."), path))


def _paths_of(value: Json, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths_of(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        if {"key", "value"} <= value[0].keys():
            yield from (f"{path}.{pair['key']}" for pair in value if isinstance(pair, dict) and "key" in pair)
        else:
            yield from _paths_of(value[0], path)
    else:
        yield path


def _paths_below(column: str, explode: str | None) -> list[str] | None:
    """Return the path of a column within an exploded item, None if it is not in there."""
    if explode is None or (column != explode and not column.startswith(explode + ".")):
        return None
    below = column[len(explode) + 1 :]
    return below.split(".") if below else []


def _at(record: dict[str, Json], parts: list[str]) -> Json:
    return record.get(parts[0]) if len(parts) == 1 else follow(record, parts)


def _parse(raw: bytes, encoding: str) -> dict[str, Json] | str:
    """Return the object of a line, or why there is none."""
    try:
        record = DECODER.decode(raw.decode(encoding))
    except UnicodeDecodeError:
        return "it is not UTF-8 (set `encoding`, such as latin-1)"
    except (ValueError, RecursionError):
        return "it is not JSON"
    return record if isinstance(record, dict) else "it is no JSON object"


def _text_array(texts: list[str | None]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        # JSON can escape half a character, which no text can hold.
        clean = [text and text.encode("utf-8", "replace").decode() for text in texts]
        return pa.array(clean, pa.string())
