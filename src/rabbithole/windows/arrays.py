"""Windows as flat arrays: what training and scoring read, with no padding and no Python per session."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.windows.fields import CATEGORICAL, NUMERIC


@dataclass(frozen=True)
class Windows:
    """Sessions by session id; the steps of session i are offsets[i] : offsets[i + 1].

    session_id: Arrow strings [n]; buyer: int8 [n]; events: int32 [n], of the whole session;
    offsets: int64 [n + 1];
    codes: int32 [total, 7] in the order of CATEGORICAL;
    numbers: float32 [total, 2] in the order of NUMERIC, NaN where there is none.
    """

    session_id: pa.Array
    buyer: NDArray[np.int8]
    events: NDArray[np.int32]
    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    numbers: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.buyer)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each session, int64 [n]."""
        return np.diff(self.offsets)


def take(windows: Windows, rows: NDArray[np.int64]) -> Windows:
    """Return some sessions of many, in the order of `rows`."""
    lengths = windows.lengths[rows]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    steps = np.arange(offsets[-1]) + np.repeat(windows.offsets[rows] - offsets[:-1], lengths)
    return Windows(
        windows.session_id.take(pa.array(rows)),
        windows.buyer[rows],
        windows.events[rows],
        offsets,
        windows.codes[steps],
        windows.numbers[steps],
    )


def concatenate_windows(parts: Sequence[Windows]) -> Windows:
    """Return the sessions of several parts, one part after the other."""
    lengths = np.concatenate([part.lengths for part in parts])
    session_id = pa.concat_arrays([part.session_id for part in parts])
    arrays = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("buyer", "events", "codes", "numbers")
    )
    buyer, events, codes, numbers = arrays
    return Windows(session_id, buyer, events, np.append(0, np.cumsum(lengths)), codes, numbers)


def read_windows(files: Sequence[Path]) -> Windows:
    """Read Parquet files of windows; none of them gives empty arrays.

    Columns are read one by one, so that the peak of memory is the arrays and one column. Raises `UserError`
    when the lists of a session are of unlike length.
    """
    if not files:
        return _empty()
    labels = _read(files, ["session_id", "buyer", "events"])
    ids = labels["session_id"].combine_chunks()
    order = pc.array_sort_indices(ids)
    in_order = bool(pc.all(pc.equal(order, pa.array(np.arange(len(order)), order.type))).as_py())
    picked = None if in_order else order

    offsets: NDArray[np.int64] | None = None
    codes = numbers = None
    for number, field in enumerate(CATEGORICAL + NUMERIC):
        values, found = _flat(files, field, picked)
        if offsets is None:
            offsets = found
            codes = np.empty((len(values), len(CATEGORICAL)), np.int32)
            numbers = np.empty((len(values), len(NUMERIC)), np.float32)
        elif not np.array_equal(offsets, found):
            raise UserError(
                f"{files[0].parent}: a session has fewer steps of {field!r} than of the field before it."
            )
        assert codes is not None and numbers is not None
        if field in CATEGORICAL:
            codes[:, number] = values
        else:
            numbers[:, number - len(CATEGORICAL)] = values
    assert offsets is not None and codes is not None and numbers is not None
    buyer, events = (
        (labels[name] if picked is None else labels[name].take(picked)).to_numpy()
        for name in ("buyer", "events")
    )
    return Windows(
        ids if picked is None else ids.take(picked),
        buyer.astype(np.int8),
        events.astype(np.int32),
        offsets,
        codes,
        numbers,
    )


def _read(files: Sequence[Path], columns: list[str]) -> pa.Table:
    return pa.concat_tables(pq.read_table(file, columns=columns) for file in files)


def _flat(
    files: Sequence[Path], field: str, order: pa.Array | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return all values of a column of lists, one session after the other, and where each session begins."""
    column = _read(files, [field])[field]
    if order is not None:
        column = column.take(order)
    lengths = pc.list_value_length(column).combine_chunks().to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.empty(0, np.float32), offsets


def _empty() -> Windows:
    return Windows(
        pa.array([], pa.string()),
        np.empty(0, np.int8),
        np.empty(0, np.int32),
        np.zeros(1, np.int64),
        np.empty((0, len(CATEGORICAL)), np.int32),
        np.empty((0, len(NUMERIC)), np.float32),
    )
