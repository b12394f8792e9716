"""Parse blocks of JSON lines into text columns, by dotted paths into their values.

A path names keys of objects, items of arrays, and keys of key-value arrays. An array may be taken apart into
a row for each item.
"""

import json
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.ingest.blocks import TextBlock, line_starts, without_long_lines
from rabbithole.ingest.csv_lines import BYTE_ORDER_MARK, wrong_encoding

Json = Any
"""A value of `json.loads`; numbers are kept as the text that they are written with."""

DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Keeps the digits of numbers: an identifier of twenty digits, or a price of 5.00, stays what it is."""


def follow(value: Json, parts: Sequence[str]) -> Json:
    """Return the value at a path, None if there is none.

    A part is the key of an object (which may itself contain dots), the number of an item of an array, or a
    key in an array of {key, value} objects. Such a value may be an object of one key per type, as in GA4's
    exports: then its first value that is not null counts. A text that holds JSON is read as what it holds.
    """
    for number, part in enumerate(parts):
        if isinstance(value, str):
            value = held_json(value)
        if isinstance(value, dict):
            if part in value:
                value = value[part]
                continue
            # A key with dots in it.
            return value.get(".".join(parts[number:]))
        if not isinstance(value, list):
            return None
        if part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = _value_of_key(value, part, last=number == len(parts) - 1)
    return value


def held_json(text: str) -> Json:
    """Return the object or array that a text holds, as JSON or as Python prints it; None if it holds none."""
    if not text.startswith(("{", "[")):
        return None
    with suppress(ValueError, RecursionError):
        return DECODER.decode(text)
    if text.startswith(("{'", "[{'")):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return literal_eval(text)
    return None


def _value_of_key(pairs: list[Json], key: str, *, last: bool) -> Json:
    for pair in pairs:
        if isinstance(pair, dict) and pair.get("key") == key:
            value = pair.get("value")
            if last and isinstance(value, dict):
                return next((entry for entry in value.values() if entry is not None), None)
            return value
    return None


def as_text(value: Json) -> str | None:
    """Return a JSON value as the text of a column: strings and numbers as they are, null as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def cell_paths(column: str) -> list[tuple[str, list[str]]]:
    """Return each way to read a dotted name as a column and a path in it, the longest column first."""
    parts = column.split(".")
    return [(".".join(parts[:cut]), parts[cut:]) for cut in range(len(parts), 0, -1)]


def follow_cell(text: str | None, parts: Sequence[str]) -> str | None:
    """Return the value at a path in a cell that holds JSON; None if the cell holds none."""
    return None if text is None else as_text(follow(text, parts))


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
    _, long = without_long_lines(text, starts)
    records: list[dict[str, Json]] = []
    line: list[int] = []
    digests: list[int] = []
    malformed: dict[int, str] = {}
    blank = 0
    for number in range(len(offsets) - 1):
        if number in long:
            malformed[number] = long[number]
            continue
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
        records.append(record)
        line.append(number)
        digests.append(crc32(raw))
    lines, rest = np.array(line, np.int64), np.array(digests, np.uint64)
    places = starts[lines]
    if explode is None:
        values = {name: _column(records, name.split(".")) for name in columns}
        row_lines = lines
    else:
        items, rows, index = _explode(records, explode)
        shared = {name: _column(records, name.split(".")) for name in columns if not _is_below(name, explode)}
        values = {
            name: shared[name].take(pa.array(rows))
            if name in shared
            else _column(items, [part for part in name[len(explode) + 1 :].split(".") if part])
            for name in columns
        }
        # Equal items of one line are repeats, those of different lines are not.
        digest = [crc32(repr(item).encode("utf-8", "replace")) for item in items]
        rest = (rest[rows] << np.uint64(32)) + np.array(digest, np.uint64)
        row_lines, places = lines[rows], places[rows] + index
    return TextBlock(
        columns=values,
        line=row_lines,
        places=place + places,
        lines=len(starts) - 1,
        malformed=malformed,
        blank=blank,
        exploded=len(row_lines) - len(lines),
        rest=pa.array(rest),
        text=text,
        starts=starts,
        encoding=encoding,
    )


def _column(values: Sequence[Json], path: list[str]) -> pa.Array:
    """Return what stands at a path in each value, as text."""
    if len(path) == 1:
        entries = [value.get(path[0]) if type(value) is dict else follow(value, path) for value in values]
    else:
        entries = [follow(value, path) for value in values]
    try:
        # Nearly always: all values are text, as numbers are kept as theirs.
        return pa.array(entries, pa.string())
    except (pa.ArrowException, UnicodeEncodeError):
        texts = [as_text(value) for value in entries]
        # JSON can escape half a character, which no text can hold.
        clean = [text and text.encode("utf-8", "replace").decode() for text in texts]
        return pa.array(clean, pa.string())


def _explode(
    records: Sequence[dict[str, Json]], explode: str
) -> tuple[list[Json], NDArray[np.int64], NDArray[np.int64]]:
    """Return the items of an array in each record (None for none), the record of each, and its number."""
    items: list[Json] = []
    counts: list[int] = []
    path = explode.split(".")
    for record in records:
        listed = follow(record, path)
        own = listed if isinstance(listed, list) and listed else [None]
        items += own
        counts.append(len(own))
    lengths = np.array(counts, np.int64)
    rows = np.repeat(np.arange(len(records)), lengths)
    return items, rows, np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _is_below(column: str, explode: str) -> bool:
    return column == explode or column.startswith(explode + ".")


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


def _parse(raw: bytes, encoding: str) -> dict[str, Json] | str:
    """Return the object of a line, or why there is none."""
    try:
        text = raw.decode(encoding)
        record, end = DECODER.raw_decode(text)
    except UnicodeDecodeError:
        return wrong_encoding(encoding)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if end != len(text):
        return "it is not JSON"
    return record if isinstance(record, dict) else "it is no JSON object"
