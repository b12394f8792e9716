"""Name the values in nested JSON and Parquet rows by dotted paths, as `json_lines.follow` reads them."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.ingest.json_lines import Json, as_text, held_json

MAX_DEPTH = 6


def flatten(record: Json, explode: str | None = None) -> list[dict[str, str | None]]:
    """Return the rows of a record: one, or with `explode` one for each item of the array at that path."""
    shared: dict[str, str | None] = {}
    items: list[Json] = [None]
    for path, value in _walk(record, "", explode):
        if path == explode:
            items = value or [None]
        else:
            shared[path] = as_text(value)
    if explode is None:
        return [shared]
    return [
        shared | {path: as_text(value) for path, value in _walk(item, explode + ".", None)} for item in items
    ]


OBJECTS = r"^(\{|\[\s*\{|\[\s*\]$)"
"""The beginning of a JSON object, or of an array of objects."""

MEASURED = 2000
"""Records by which the lengths of arrays are measured."""


def flatten_cells(columns: Mapping[str, pa.Array]) -> tuple[dict[str, pa.Array], dict[str, float]]:
    """Return columns of text, of which those that hold JSON objects, or arrays of them, are taken apart.

    Also returns the mean length of each array, as `arrays` does.
    """
    flat: dict[str, pa.Array] = {}
    lengths: dict[str, float] = {}
    for name, values in columns.items():
        present = values.drop_null()
        if not len(present) or not pc.all(pc.match_substring_regex(present, OBJECTS)).as_py():
            flat[name] = values
            continue
        records = [None if cell is None else held_json(cell) for cell in values.to_pylist()]
        if records.count(None) > values.null_count:
            flat[name] = values
            continue
        rows = [{} if record is None else flatten({name: record})[0] for record in records]
        for path in dict.fromkeys(path for row in rows for path in row):
            flat[path] = pa.array([row.get(path) for row in rows], pa.string())
        known = [{name: record} for record in records if record is not None]
        lengths |= arrays(known[:MEASURED])
    return flat, lengths


def arrays(records: Sequence[Json]) -> dict[str, float]:
    """Return the mean length of each array in some records, by path; key-value arrays are none."""
    total: dict[str, int] = {}
    for record in records:
        for path, value in _lists(record, ""):
            total[path] = total.get(path, 0) + len(value)
    return {path: count / len(records) for path, count in total.items()}


def _lists(value: Json, prefix: str) -> Iterator[tuple[str, list[Json]]]:
    if isinstance(value, dict) and prefix.count(".") < MAX_DEPTH:
        for key, below in value.items():
            path = prefix + str(key)
            if isinstance(below, list) and below and not isinstance(below[0], list) and not _is_pairs(below):
                yield path, below
            else:
                yield from _lists(below, path + ".")


def _walk(value: Json, prefix: str, explode: str | None) -> Iterator[tuple[str, Json]]:
    """Yield each scalar below a value with its path. Of other arrays, the first item counts."""
    if prefix.count(".") > MAX_DEPTH:
        return
    if isinstance(value, str) and value.startswith("{"):
        held = held_json(value)
        value = value if held is None else held
    if isinstance(value, dict):
        for key, below in value.items():
            path = prefix + str(key)
            if path == explode:
                yield path, below if isinstance(below, list) else [below]
            else:
                yield from _walk(below, path + ".", explode)
    elif isinstance(value, list):
        if _is_pairs(value):
            for pair in value:
                content = pair.get("value")
                if isinstance(content, dict):
                    content = next((entry for entry in content.values() if entry is not None), None)
                if not isinstance(content, dict | list):
                    yield prefix + str(pair["key"]), content
        elif value:
            yield from _walk(value[0], prefix + "0.", explode)
    elif prefix:
        yield prefix.removesuffix("."), value


def _is_pairs(value: list[Json]) -> bool:
    return all(isinstance(pair, dict) and {"key", "value"} <= pair.keys() for pair in value)
