"""Columns of Arrow tables as single arrays."""

import pyarrow as pa


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array. `combine_chunks` copies a column that is one array already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
