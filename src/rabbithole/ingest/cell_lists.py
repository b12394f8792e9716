"""Take lists in the cells of a CSV file apart: a row for each item."""

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.ingest.json_lines import DECODER, as_text

PYTHON_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|([^\s,\[\]]+)")
"""An item of a list as Python or numpy prints it: `['A1', 'B2']` or `['A1' 'B2']`."""


def items_of(cell: str | None, separator: str | None) -> list[str | None]:
    """Return the items of a cell, one at least: None if it is empty.

    separator: what is between two items, None for a JSON array. A cell that holds no list is one item.
    """
    if not cell:
        return [None]
    if separator is not None:
        return [part.strip() for part in cell.split(separator) if part.strip()] or [None]
    try:
        value = DECODER.decode(cell)
    except (ValueError, RecursionError):
        if not cell.startswith("[") or "{" in cell:
            return [cell]
        value = ["".join(parts) for parts in PYTHON_ITEM.findall(cell)]
    if not isinstance(value, list):
        return [cell]
    return [as_text(item) for item in value] or [None]


def explode_cells(
    columns: Mapping[str, pa.Array], name: str, separator: str | None
) -> tuple[dict[str, pa.Array], NDArray[np.int64], NDArray[np.int64]]:
    """Return columns with a row for each item of the lists in one, the old row of each, and its number.

    Both are int64 [rows]. An item that is an object stays JSON.
    """
    lists = [items_of(cell, separator) for cell in columns[name].to_pylist()]
    lengths = np.array([len(items) for items in lists], np.int64)
    rows = np.repeat(np.arange(len(lists)), lengths)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    taken = {other: values.take(pa.array(rows)) for other, values in columns.items() if other != name}
    items = pa.array([item for items in lists for item in items], pa.string())
    return {other: taken.get(other, items) for other in columns}, rows, number
