"""Follow dotted paths into JSON values: keys of objects, items of arrays, and keys of key-value arrays."""

import json
from collections.abc import Sequence
from typing import Any

Json = Any
"""A value of `json.loads`; numbers are kept as the text that they are written with."""

DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Keeps the digits of numbers: an identifier of twenty digits, or a price of 5.00, stays what it is."""


def follow(value: Json, parts: Sequence[str]) -> Json:
    """Return the value at a path, None if there is none.

    A part is the key of an object (which may itself contain dots), the number of an item of an array, or a
    key in an array of {key, value} objects. Such a value may be an object of one key per type, as in GA4's
    exports: then its first value that is not null counts.
    """
    for number, part in enumerate(parts):
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
    if not text:
        return None
    try:
        return as_text(follow(DECODER.decode(text), parts))
    except (ValueError, RecursionError):
        return None
