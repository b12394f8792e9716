"""Windows as ragged arrays: flat values and offsets, without padding, read from a windows folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile, Fields, WindowsManifest
from rabbithole.artifacts.training import ModelDescription
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.windows.fields import FIRST_VALUE, STANDARD

HISTORY = "history"
"""The column of a windows file with the number of history steps, only in windows with history."""

NO_HISTORY: NDArray[np.int32] = np.empty(0, np.int32)
"""Stands for a history that is not given."""


@dataclass(frozen=True)
class Windows:
    """Windows of sessions, sorted by session id; the steps of session i are offsets[i] : offsets[i + 1].

    session_id: Arrow strings [n]; buyer: int8 [n]; events: int32 [n], of the session, in the window or not;
    offsets: int64 [n + 1];
    codes: int32 [total, categorical], in the order of the fields; numbers: float32 [total, numeric], in the
    order of the fields, NaN where there is no number; fields: the names of both; history: int32 [n], the
    leading steps of each window that belong to earlier sessions of the visitor, all 0 if not given.
    """

    session_id: pa.Array
    buyer: NDArray[np.int8]
    events: NDArray[np.int32]
    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    numbers: NDArray[np.float32]
    fields: Fields = STANDARD
    history: NDArray[np.int32] = attribute(default_factory=lambda: NO_HISTORY)

    def __post_init__(self) -> None:
        """Fill in a history that is not given; raise `ValueError` for one that does not fit the windows."""
        if self.history is NO_HISTORY:
            object.__setattr__(self, "history", np.zeros(len(self.buyer), np.int32))
        if len(self.history) != len(self.buyer):
            raise ValueError(f"{len(self.buyer)} windows, but {len(self.history)} numbers of history steps")
        if ((self.history < 0) | (self.history > self.lengths)).any():
            raise ValueError("a window has fewer steps than its history")

    def __len__(self) -> int:
        return len(self.buyer)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of steps of each session, int64 [n]."""
        return np.diff(self.offsets)

    @property
    def present(self) -> NDArray[np.int64]:
        """Return the number of steps that belong to the session itself, int64 [n]."""
        return self.lengths - self.history

    def codes_of(self, field: str) -> NDArray[np.int32] | None:
        """Return the codes of a categorical field, int32 [total], None if the windows do not have it."""
        column = self.fields.code_column(field)
        return None if column is None else self.codes[:, column]


def take(windows: Windows, rows: NDArray[np.int64]) -> Windows:
    """Return the sessions `rows`, in this order."""
    lengths = windows.lengths[rows]
    offsets = _offsets(lengths)
    steps = np.arange(offsets[-1]) + np.repeat(windows.offsets[rows] - offsets[:-1], lengths)
    return Windows(
        windows.session_id.take(pa.array(rows)),
        windows.buyer[rows],
        windows.events[rows],
        offsets,
        windows.codes[steps],
        windows.numbers[steps],
        windows.fields,
        windows.history[rows],
    )


def first_steps(windows: Windows, steps: int) -> Windows:
    """Return the first steps of sessions that have as many, with their history."""
    lengths = windows.history + np.int64(steps)
    offsets = np.append(0, np.cumsum(lengths))
    index = np.arange(offsets[-1]) + np.repeat(windows.offsets[:-1] - offsets[:-1], lengths)
    return replace(
        windows,
        offsets=offsets,
        codes=windows.codes[index],
        numbers=windows.numbers[index],
    )


def concatenate_windows(parts: Sequence[Windows]) -> Windows:
    """Return the sessions of all parts, one part after the other."""
    return Windows(
        pa.concat_arrays([part.session_id for part in parts]),
        np.concatenate([part.buyer for part in parts]),
        np.concatenate([part.events for part in parts]),
        _offsets(np.concatenate([part.lengths for part in parts])),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        parts[0].fields,
        np.concatenate([part.history for part in parts]),
    )


def read_windows(files: Sequence[Path], fields: Fields = STANDARD) -> Windows:
    """Read these fields, and the history if any, from Parquet files of windows; no file gives empty arrays.

    Columns are read one by one, so the peak of memory is the arrays and one column. Raises `UserError` when
    the lists of a session differ in length.
    """
    if not files:
        return _empty(fields)
    history = [HISTORY] if HISTORY in pq.read_schema(files[0]).names else []
    labels = _read(files, ["session_id", "buyer", "events", *history])
    ids = labels["session_id"].combine_chunks()
    order = pc.array_sort_indices(ids)
    if pc.all(pc.equal(order, pa.array(np.arange(len(ids)), order.type))).as_py():
        # The sessions are sorted already. Not copying the columns saves time and memory.
        order = None
    else:
        labels = labels.take(order)
    first = fields.names[0]
    offsets, first_values = _read_lists(files, first, order)
    codes = np.empty((offsets[-1], len(fields.categorical)), np.int32)
    numbers = np.empty((offsets[-1], len(fields.numeric)), np.float32)
    columns: list[tuple[NDArray[Any], int, str]] = [
        *((codes, index, field) for index, field in enumerate(fields.categorical)),
        *((numbers, index, field) for index, field in enumerate(fields.numeric)),
    ]
    for array, index, field in columns:
        field_offsets, values = (
            (offsets, first_values) if field == first else _read_lists(files, field, order)
        )
        if not np.array_equal(offsets, field_offsets):
            raise UserError(
                f"{files[0].parent}: {field!r} and {first!r} of a session differ in length. "
                "Delete the windows and run again."
            )
        array[:, index] = values
    return Windows(
        labels["session_id"].combine_chunks(),
        labels["buyer"].to_numpy().astype(np.int8),
        labels["events"].to_numpy().astype(np.int32),
        offsets,
        codes,
        numbers,
        fields,
        _history(labels),
    )


def _read(files: Sequence[Path], columns: list[str]) -> pa.Table:
    return pa.concat_tables(pq.read_table(file, columns=columns) for file in files)


def _read_lists(
    files: Sequence[Path], field: str, order: pa.Array | None
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return offsets and flat values of a list column. order: of the sessions, None for that of the files."""
    column = _read(files, [field])[field]
    if order is not None:
        column = column.take(order)
    offsets = _offsets(pc.list_value_length(column).combine_chunks().to_numpy(zero_copy_only=False))
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return offsets, np.concatenate(chunks) if chunks else np.empty(0, np.float32)


def _offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 0 and the running sums of lengths, int64 [n + 1]."""
    return np.append(0, np.cumsum(lengths)).astype(np.int64)


def _empty(fields: Fields) -> Windows:
    return Windows(
        pa.array([], pa.string()),
        np.empty(0, np.int8),
        np.empty(0, np.int32),
        np.zeros(1, np.int64),
        np.empty((0, len(fields.categorical)), np.int32),
        np.empty((0, len(fields.numeric)), np.float32),
        fields,
    )


def windows_of(table: pa.Table, fields: Fields) -> Windows:
    """Return the windows of a table in memory, in its order; its columns are those of a windows file."""
    lengths = pc.list_value_length(table[fields.names[0]]).combine_chunks().to_numpy(zero_copy_only=False)

    def flat(name: str) -> NDArray[Any]:
        return pc.list_flatten(table[name]).combine_chunks().to_numpy(zero_copy_only=False)

    return Windows(
        table["session_id"].combine_chunks(),
        table["buyer"].to_numpy().astype(np.int8),
        table["events"].to_numpy().astype(np.int32),
        _offsets(lengths),
        _columns([flat(name) for name in fields.categorical], lengths.sum(), np.int32),
        _columns([flat(name) for name in fields.numeric], lengths.sum(), np.float32),
        fields,
        _history(table),
    )


def _history(table: pa.Table) -> NDArray[np.int32]:
    """Return the history steps of each window of a table, none where it lacks the column."""
    return table[HISTORY].to_numpy().astype(np.int32) if HISTORY in table.column_names else NO_HISTORY


def _columns(arrays: Sequence[NDArray[Any]], rows: int, kind: Any) -> NDArray[Any]:
    """Return arrays [rows] as the columns of one array."""
    out = np.empty((rows, len(arrays)), kind)
    for column, array in enumerate(arrays):
        out[:, column] = array
    return out


@dataclass(frozen=True)
class Encoding:
    """How steps were encoded.

    fields: those of a step; sizes: the number of codes of each categorical field; length: a session's own
    steps in a window at most; history: those of earlier sessions, which come on top; roots: the category
    tree's root of each category code, 0 where there is none, empty without a tree;
    files: those of the windows folder that encode new sessions.
    """

    fields: Fields
    sizes: dict[str, int]
    length: int
    roots: list[int]
    files: tuple[str, ...] = ()
    history: int = 0

    @property
    def window(self) -> int:
        """Return the steps of a full window."""
        return self.length + self.history

    def fits(self, model: ModelDescription) -> bool:
        """Return whether a model was trained on windows with this encoding."""
        same = (model.fields, model.sizes, model.length, model.history)
        return same == (self.fields, self.sizes, self.length, self.history)


def read_encoding(windows: Path) -> Encoding:
    """Check a windows folder's manifest and read how the windows were encoded."""
    manifest = WindowsManifest.of(windows)
    encoder = EncoderFile.read(windows / "encoder.json")
    sizes = {field: encoder.sizes[field] for field in encoder.fields.categorical}
    roots = [0] * FIRST_VALUE + encoder.roots if encoder.roots else []
    files = ("encoder.json",) if manifest.price_history is None else ("encoder.json", manifest.price_history)
    return Encoding(encoder.fields, sizes, encoder.length, roots, files, encoder.history)


def read_split(windows: Path, split: str, encoding: Encoding) -> Windows:
    """Read one split; raises `UserError` when a code or a length does not fit the encoding."""
    parts = WindowsManifest.parts(windows, split)
    return _checked(read_windows(parts, encoding.fields), windows / split, encoding)


def read_parts(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read one split part by part, in constant memory."""
    for file in WindowsManifest.parts(windows, split):
        yield _checked(read_windows([file], encoding.fields), file, encoding)


def read_from_start(windows: Path, split: str, encoding: Encoding) -> Iterator[Windows]:
    """Read each session of valid or test from its first event on, part by part.

    Sessions longer than the window come with their first `length` events, not with their last.
    """
    for part in read_parts(windows, split, encoding):
        yield take(part, np.flatnonzero(part.events <= encoding.length))
    yield from read_parts(windows, f"{split}_prefixes", encoding)


def has_both_classes(windows: Windows) -> bool:
    """Return whether there are buyers and non-buyers."""
    return 0 < int(windows.buyer.sum()) < len(windows)


def require_both_classes(train: Windows) -> None:
    """Raise `UserError` for a train split without buyers or without non-buyers."""
    if has_both_classes(train):
        return
    lack = "only buyers" if len(train) and train.buyer.all() else "no buyer"
    raise UserError(
        f"train has {plural(len(train), 'session')} and {lack}; training needs both classes. Take more "
        "sessions or other shares, and check that the log contains purchases."
    )


def _checked(windows: Windows, path: Path, encoding: Encoding) -> Windows:
    if len(windows) == 0:
        return windows
    if windows.present.min() < 1 or windows.present.max() > encoding.length:
        raise UserError(f"{path}: a session has no step or more than {encoding.length}.")
    if windows.history.max() > encoding.history:
        raise UserError(f"{path}: a session has a history of more than {encoding.history} steps.")
    for index, field in enumerate(encoding.fields.categorical):
        if windows.codes[:, index].max() >= encoding.sizes[field]:
            raise UserError(f"{path}: a code of {field!r} is not below its vocabulary's size.")
    return windows
