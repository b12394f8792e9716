"""Read row groups of Parquet files as blocks of columns; nested columns are read by dotted paths."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import printable
from rabbithole.ingest.blocks import TEXT_LENGTH, Block, hash_rows
from rabbithole.ingest.json_lines import cell_paths, follow_cell

BATCH_ROWS = 2**17

CODED_BYTES = 4
"""Texts that take fewer bytes each are stored as codes of a dictionary: a text takes four for its length."""

ITEM_BITS = 16
"""Low bits of the place of a row that was an item of an array: its number in the array."""


@dataclass(frozen=True)
class RowBlock(Block):
    """Rows of a Parquet file. shown: the columns by which a bad row is shown, one entry a row of the file."""

    shown: dict[str, pa.Array] = field(default_factory=dict)

    def texts(self, lines: NDArray[np.int64]) -> list[str]:
        """Return some rows as `column=value`, printable, cut to `TEXT_LENGTH` characters."""
        texts = []
        for row in lines.tolist():
            values = (f"{name}={values[row].as_py()}" for name, values in self.shown.items())
            texts.append(printable(", ".join(values)[:TEXT_LENGTH]))
        return texts


def parquet_blocks(
    path: str, groups: range, columns: Sequence[str], explode: str | None
) -> Iterator[RowBlock]:
    """Yield blocks of the rows of some row groups. columns, explode: as in `json_lines.parse_json_block`."""
    metadata = pq.read_metadata(path)
    coded = _coded_columns(metadata, groups.start)
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=coded) as file:
        place = sum(metadata.row_group(group).num_rows for group in range(groups.start))
        names = file.schema_arrow.names
        roots = [root_column(column, names) for column in columns]
        array = None if explode is None else root_column(explode, names)
        flat = [
            field.name
            for field in file.schema_arrow
            if field.name not in columns and not pa.types.is_nested(field.type)
        ]
        wanted = list(dict.fromkeys([*(name for name, _ in roots), *flat, *([array[0]] if array else [])]))
        for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=wanted):
            yield _block(batch, dict(zip(columns, roots, strict=True)), flat, explode, array, place)
            place += len(batch)


def _coded_columns(metadata: pq.FileMetaData, group: int) -> list[str]:
    """Return the columns of text that a row group stores as codes: read so, each text is handled once."""
    chunks = [metadata.row_group(group).column(number) for number in range(metadata.num_columns)]
    return [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.physical_type == "BYTE_ARRAY"
        and chunk.total_uncompressed_size < CODED_BYTES * chunk.num_values
        and "." not in chunk.path_in_schema
    ]


def root_column(column: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column of a table that a dotted path begins at, and the path in it.

    Raises KeyError if there is none.
    """
    for root, parts in cell_paths(column):
        if root in names:
            return root, parts
    raise KeyError(column)


def _block(
    batch: pa.RecordBatch,
    roots: dict[str, tuple[str, list[str]]],
    flat: Sequence[str],
    explode: str | None,
    array: tuple[str, list[str]] | None,
    place: int,
) -> RowBlock:
    rows = np.arange(len(batch))
    values: dict[str, pa.Array] = {}
    items: pa.Array | None = None
    places = rows
    if explode is not None and array is not None:
        items, rows, number = _explode(follow_array(batch[array[0]], array[1]))
        places = (rows << ITEM_BITS) + number
        place <<= ITEM_BITS
    for column, (root, parts) in roots.items():
        if items is not None and explode is not None and (column + ".").startswith(explode + "."):
            below = column[len(explode) + 1 :]
            values[column] = follow_array(items, below.split(".") if below else [])
        else:
            column_values = follow_array(batch[root], parts)
            values[column] = column_values if items is None else column_values.take(pa.array(rows))
        values[column] = _flat(values[column])
    rest = hash_rows([_hashable(batch[name]) for name in flat])
    if items is not None:
        rest = None if rest is None else rest.take(pa.array(rows))
    shown = {root: batch[root] for root, _ in roots.values()}
    return RowBlock(
        columns=values,
        line=rows,
        places=place + places,
        lines=len(batch),
        exploded=len(rows) - len(batch),
        rest=rest,
        shown=shown,
    )


def _flat(values: pa.Array) -> pa.Array:
    """Return nested values as JSON, and bytes as text."""
    if pa.types.is_nested(values.type):
        texts = [None if value is None else json.dumps(value, default=str) for value in values.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        texts = [None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()]
        return pa.array(texts, pa.string())
    return values


def _hashable(values: pa.Array) -> pa.Array:
    values = _flat(values)
    if pa.types.is_integer(values.type):
        # Numbers are made texts once for each.
        return values.dictionary_encode()
    is_text = pa.types.is_string(values.type) or pa.types.is_dictionary(values.type)
    return values if is_text else values.cast(pa.string(), safe=False)


def follow_array(values: pa.Array, parts: Sequence[str]) -> pa.Array:
    """Return the value at a path in each row, null where there is none: see `json_lines.follow`."""
    for number, part in enumerate(parts):
        if pa.types.is_map(values.type):
            pairs = pa.StructArray.from_arrays([values.keys, values.items], ["key", "value"])
            values = pa.ListArray.from_arrays(values.offsets, pairs)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind = values.type
        if pa.types.is_struct(kind):
            names = [kind.field(index).name for index in range(kind.num_fields)]
            if part not in names:
                return pa.nulls(len(values), pa.string())
            values = pc.struct_field(values, part)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            if part.isdecimal():
                values = _item(values, int(part))
            else:
                values = _value_of_key(values, part, last=number == len(parts) - 1)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pa.array([follow_cell(text, parts[number:]) for text in values.to_pylist()], pa.string())
        else:
            return pa.nulls(len(values), pa.string())
    return values


def _item(lists: pa.Array, number: int) -> pa.Array:
    """Return the item with a number of each list, null where the list is shorter."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    starts = np.append(0, np.cumsum(lengths))[:-1]
    index = np.where(lengths > number, starts + number, -1)
    return lists.flatten().take(pa.array(index, pa.int64(), mask=index < 0))


def _value_of_key(pairs: pa.Array, key: str, *, last: bool) -> pa.Array:
    """Return the value of a key in each list of {key, value}, null where the list does not have it."""
    parents = pc.list_parent_indices(pairs).to_numpy(zero_copy_only=False)
    entries = pairs.flatten()
    if not pa.types.is_struct(entries.type) or any(
        entries.type.get_field_index(name) < 0 for name in ("key", "value")
    ):
        return pa.nulls(len(pairs), pa.string())
    matching = np.flatnonzero(
        pc.fill_null(pc.equal(pc.struct_field(entries, "key"), key), False).to_numpy(zero_copy_only=False)
    )
    index = np.full(len(pairs), -1, np.int64)
    # Backwards, so that the first of several stays.
    index[parents[matching][::-1]] = matching[::-1]
    values = pc.struct_field(entries, "value").take(pa.array(index, mask=index < 0))
    if last and pa.types.is_struct(values.type):
        kinds = (pc.struct_field(values, number) for number in range(values.type.num_fields))
        return pc.coalesce(*(kind.cast(pa.string()) for kind in kinds if not pa.types.is_nested(kind.type)))
    return values


def _explode(lists: pa.Array) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64]]:
    """Return the items of lists, the row of each and its number in the list; an empty list has one null."""
    if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
        return lists, np.arange(len(lists)), np.zeros(len(lists), np.int64)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.maximum(lengths, 1)
    rows = np.repeat(np.arange(len(lists)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    index = np.repeat(np.append(0, np.cumsum(lengths))[:-1], counts) + number
    return lists.flatten().take(pa.array(index, mask=np.repeat(lengths == 0, counts))), rows, number
