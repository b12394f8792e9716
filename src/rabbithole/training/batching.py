"""Batches of sessions of similar length: few static shapes, little padding, all fixed by seed and epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import FIRST_VALUE, PADDING

FULL_BATCH_STEPS = 4
"""A batch of at most this many steps holds `batch_size` sessions. A longer one holds fewer, so that sessions
times steps stay the same: 4,096 with the default, whose arrays fit a core's cache (twice as many take three
times as long)."""

MIN_BATCH_SIZE = 32
"""A small train split never makes batches smaller than this."""

MANY_SESSIONS = 250_000
"""With this many train sessions, compiling a shape (some seconds) costs less than the padding it saves."""


@dataclass(frozen=True)
class Shape:
    """The static shape of a batch: its sessions, and the steps of each."""

    sessions: int
    steps: int


@dataclass(frozen=True)
class Batch:
    """Sessions side by side, padded at the end to the same length.

    The arrays are NumPy's, or JAX's where an accelerator lays the batch out (all int32 there).
    rows: int64 [batch], the sessions' indices, -1 for an empty place; lengths: int32 [batch], 0 for an empty
    place; steps: int64 [batch, steps], the index of each step among those of all windows, -1 for padding.
    """

    rows: Any
    lengths: Any
    steps: Any


def make_rng(*numbers: int) -> np.random.Generator:
    """Return a generator that depends only on these numbers (seed, epoch, batch, ...)."""
    return np.random.default_rng(list(numbers))


def batch_shapes(*, length: int, batch_size: int, sessions: int = MANY_SESSIONS) -> list[Shape]:
    """Return the shapes of all batches, shortest first: 1, 2, 4, 8, ... steps, last the window's `length`.

    Each shape costs a compilation, and long sessions are few. So there is no shape between half of `length`
    and `length`, and with few `sessions` to train on there are only 1, 4, 16, ... steps.
    """
    factor = 2 if sessions >= MANY_SESSIONS else 4
    steps = [1]
    while steps[-1] * factor * 2 <= length:
        steps.append(steps[-1] * factor)
    if steps[-1] < length:
        steps.append(length)
    return [Shape(max(1, batch_size * min(FULL_BATCH_STEPS, count) // count), count) for count in steps]


def plan_batches(
    lengths: NDArray[np.int64],
    rows: NDArray[np.int64],
    shapes: list[Shape],
    rng: np.random.Generator | None = None,
) -> list[tuple[Shape, NDArray[np.int64]]]:
    """Divide sessions into batches; return each batch's shape and sessions, int64 [at most shape.sessions].

    lengths: int64 [n] of all sessions; rows: the sessions to use, which may repeat. With `rng`, the sessions
    of a batch and the order of batches are random. Without, they follow `rows`.
    """
    if rng is not None:
        rows = rng.permutation(rows)
    # A stable sort by shape keeps the order of `rows` within each shape.
    shape_index = np.searchsorted([shape.steps for shape in shapes], lengths[rows]).astype(np.uint8)
    rows = rows[np.argsort(shape_index, kind="stable")]
    counts = np.bincount(shape_index, minlength=len(shapes))
    batches = [
        (shape, group[start : start + shape.sessions])
        for shape, group in zip(shapes, np.split(rows, np.cumsum(counts)[:-1]), strict=True)
        for start in range(0, len(group), shape.sessions)
    ]
    if rng is not None:
        batches = [batches[index] for index in rng.permutation(len(batches))]
    return batches


def choose_batch_size(
    lengths: NDArray[np.int64], rows: NDArray[np.int64], *, length: int, batch_size: int, min_batches: int
) -> tuple[int, list[Shape]]:
    """Return the batch size and the shapes of all batches for an epoch of `rows`.

    The batch size is halved while the epoch has fewer than `min_batches` batches.
    """
    while True:
        shapes = batch_shapes(length=length, batch_size=batch_size, sessions=len(lengths))
        if batch_size < 2 * MIN_BATCH_SIZE or len(plan_batches(lengths, rows, shapes)) >= min_batches:
            return batch_size, shapes
        batch_size //= 2


def make_batch(windows: Windows, rows: NDArray[np.int64], shape: Shape) -> Batch:
    """Lay sessions out in a batch of the given shape."""
    return layout_steps(windows.offsets, pad_rows(rows, shape.sessions), np.arange(shape.steps))


def pad_rows(rows: NDArray[np.int64], places: int) -> NDArray[np.int64]:
    """Return the sessions' indices, with -1 for the remaining places."""
    padded = np.full(places, -1, np.int64)
    padded[: len(rows)] = rows
    return padded


def layout_steps(offsets: Any, rows: Any, step: Any) -> Batch:
    """Lay sessions out side by side, with NumPy arrays or, on an accelerator, with JAX arrays.

    offsets: int [n + 1], the start of each session's steps; rows: int [batch], -1 for an empty place;
    step: int [steps], 0, 1, ..., an array, so that a compiled program knows its length.
    """
    xp = offsets.__array_namespace__()
    starts = offsets[rows]
    # An empty place starts at the last offset and ends at the first: its length would be negative.
    lengths = (offsets[rows + 1] - starts).clip(0)
    steps = xp.where(step[None] < lengths[:, None], starts[:, None] + step[None], -1)
    return Batch(rows, lengths.astype(np.int32), steps)


def pad_batch(batch: Batch, multiple: int) -> Batch:
    """Return the batch with empty places added, up to a multiple of `multiple`."""
    missing = -len(batch.rows) % multiple
    if missing == 0:
        return batch
    return Batch(
        np.pad(batch.rows, (0, missing), constant_values=-1),
        np.pad(batch.lengths, (0, missing)),
        np.pad(batch.steps, ((0, missing), (0, 0)), constant_values=-1),
    )


def gather_steps(windows: Windows, batch: Batch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return a batch's codes, int32 [batch, steps, categorical], and numbers, float32 [.., .., numeric].

    Padding has the code PADDING and the number 0.
    """
    # "clip" sends the -1 of padding to step 0, and saves the copy that a bounds check makes.
    codes = np.take(windows.codes, batch.steps, axis=0, mode="clip")
    numbers = np.take(windows.numbers, batch.steps, axis=0, mode="clip")
    padding = (batch.steps < 0)[..., None]
    np.copyto(codes, PADDING, where=padding)
    np.copyto(numbers, 0.0, where=padding)
    return codes, numbers


def distinct_codes(codes: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return the distinct codes, int32 [m], and the index of each code among them.

    codes: int32 [..], below `size`. Codes below `FIRST_VALUE` stand for no value. They are always among the
    distinct codes, and so keep their indices. The length m depends only on the number of codes and `size`;
    the rest of the array is filled with `size`, which is no code.
    """
    present = np.zeros(size, bool)
    present[codes] = True
    present[:FIRST_VALUE] = True
    distinct = np.flatnonzero(present)
    index = np.empty(size, np.int32)
    index[distinct] = np.arange(len(distinct), dtype=np.int32)
    padded = np.full(min(codes.size + FIRST_VALUE, size), size, np.int32)
    padded[: len(distinct)] = distinct
    return padded, index[codes]
