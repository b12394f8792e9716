"""Batches of sessions of like length: few static shapes, little padding, all fixed by seed and epoch."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, PADDING, RARE, UNSEEN

FULL_BATCH_STEPS = 4
"""Up to so many steps a batch holds `batch_size` sessions; above, as many steps as that makes: 4,096 with the
default, whose arrays still fit a core's cache (twice as many take three times as long)."""

MIN_BATCH_SIZE = 32
"""Sessions that a batch is not made smaller than where an epoch has few."""

MANY_SESSIONS = 250_000
"""Sessions to learn from that make a compilation (some seconds) cheaper than the padding that it saves."""


@dataclass(frozen=True)
class Batch:
    """Which sessions lie side by side, padded at the end to one length.

    Arrays of NumPy, or of JAX where it is laid out on an accelerator (int32 there).
    rows: int64 [batch], the sessions' numbers, -1 for a place that is empty; lengths: int32 [batch], 0 there;
    steps: int64 [batch, steps], the number of each step among all of the windows', -1 for padding.
    """

    rows: Any
    lengths: Any
    steps: Any


@dataclass(frozen=True)
class Shape:
    """A static shape: so many sessions of at most so many steps."""

    sessions: int
    steps: int


def batch_shapes(*, length: int, batch_size: int, sessions: int = MANY_SESSIONS) -> list[Shape]:
    """Return the shapes of all batches, shortest first: 1, 2, 4, 8, ... steps, last the window's `length`.

    Each costs a compilation, and few sessions are long: there is none between half of `length` and it, and
    where there are few `sessions` to learn from, only 1, 4, 16, ...
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
    """Divide sessions into batches: each its shape and the numbers of its sessions, int64 [at most sessions].

    lengths: int64 [n] of all sessions; rows: those to use, a session as often as it is named. With `rng`,
    which sessions share a batch and the order of the batches are drawn; without, they follow `rows`.
    """
    if rng is not None:
        rows = rng.permutation(rows)
    # A stable sort by shape keeps the order of `rows` within each.
    kind = np.searchsorted([shape.steps for shape in shapes], lengths[rows]).astype(np.uint8)
    rows = rows[np.argsort(kind, kind="stable")]
    counts = np.bincount(kind, minlength=len(shapes))
    batches = []
    for shape, group in zip(shapes, np.split(rows, np.cumsum(counts)[:-1]), strict=True):
        batches += [
            (shape, group[start : start + shape.sessions]) for start in range(0, len(group), shape.sessions)
        ]
    if rng is not None:
        batches = [batches[index] for index in rng.permutation(len(batches))]
    return batches


def make_batch(windows: Windows, rows: NDArray[np.int64], shape: Shape) -> Batch:
    """Lay sessions out in a batch of the given shape."""
    return layout_steps(windows.offsets, pad_rows(rows, shape.sessions), np.arange(shape.steps))


def pad_rows(rows: NDArray[np.int64], places: int) -> NDArray[np.int64]:
    """Return sessions' numbers, followed by -1 for the places that are left."""
    filled = np.full(places, -1, np.int64)
    filled[: len(rows)] = rows
    return filled


def layout_steps(offsets: Any, rows: Any, step: Any) -> Batch:
    """Lay sessions out side by side; arrays are NumPy's, or JAX's where that is done on an accelerator.

    offsets: int [n + 1], where the sessions' steps begin; rows: int [batch], -1 for a place that is empty;
    step: 0, 1, ..., int [steps]; an array, whose length a compiled program knows.
    """
    xp = offsets.__array_namespace__()
    starts = offsets[rows]
    # An empty place counts from the last offset back to the first.
    lengths = (offsets[rows + 1] - starts).clip(0)
    steps = xp.where(step < lengths[:, None], starts[:, None] + step, -1)
    return Batch(rows, lengths.astype(np.int32), steps)


def pad_batch(batch: Batch, multiple: int) -> Batch:
    """Return a batch with as many more empty places as make their number a multiple."""
    missing = -len(batch.rows) % multiple
    if missing == 0:
        return batch
    return Batch(
        np.pad(batch.rows, (0, missing), constant_values=-1),
        np.pad(batch.lengths, (0, missing)),
        np.pad(batch.steps, ((0, missing), (0, 0)), constant_values=-1),
    )


def choose_batch_size(
    lengths: NDArray[np.int64], rows: NDArray[np.int64], *, length: int, batch_size: int, fewest: int
) -> tuple[int, list[Shape]]:
    """Return the sessions of a batch, and the shapes of all batches, for an epoch of these `rows`.

    `batch_size`, or half of it, a quarter, ... where the epoch would have less than `fewest` batches.
    """
    while True:
        kinds = batch_shapes(length=length, batch_size=batch_size, sessions=len(lengths))
        if batch_size < 2 * MIN_BATCH_SIZE or len(plan_batches(lengths, rows, kinds)) >= fewest:
            return batch_size, kinds
        batch_size //= 2


def gather_steps(windows: Windows, batch: Batch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the codes of a batch, int32 [batch, steps, 7], and its numbers, float32 [batch, steps, 2].

    Padding has the code PADDING and the numbers 0.
    """
    # "clip" sends the -1 of padding somewhere, and spares the copy that a check of bounds would make.
    codes = np.take(windows.codes, batch.steps, axis=0, mode="clip")
    numbers = np.take(windows.numbers, batch.steps, axis=0, mode="clip")
    padding = (batch.steps < 0)[..., None]
    np.copyto(codes, PADDING, where=padding)
    np.copyto(numbers, 0.0, where=padding)
    return codes, numbers


def make_rng(*numbers: int) -> np.random.Generator:
    """Return a generator that depends on these numbers alone (seed, epoch, batch, ...)."""
    return np.random.default_rng(list(numbers))


def distinct_codes(codes: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return the distinct codes, and each code as its place among them.

    codes: int32 [..], below `size`. Codes below `FIRST_VALUE` stand for no value; they are always among the
    distinct ones, and so keep their places. The first array's length is fixed by the number of codes and
    `size`; it is filled up with `size`, which is no code.
    """
    present = np.zeros(size, bool)
    present[codes] = True
    present[:FIRST_VALUE] = True
    found = np.flatnonzero(present)
    place = np.empty(size, np.int32)
    place[found] = np.arange(len(found), dtype=np.int32)
    padded = np.full(min(codes.size + FIRST_VALUE, size), size, np.int32)
    padded[: len(found)] = found
    return padded, place[codes]


ITEM = CATEGORICAL.index("item")

RARE_AS_UNSEEN = 0.5
"""Share of rare items shown as unseen. An item that train never held is most like one that it held once or
twice (Good 1953, The population frequencies of species): of test's items, most rare ones are unseen."""


def drop_events(batch: Batch, chance: Any, share: float) -> Batch:
    """Return a batch without a share of its events; arrays are NumPy's or JAX's.

    chance: float [batch, steps], evenly drawn from 0 to 1. The last event of a session stays, as it is where
    the session ended. The times between the events that remain are left as they were.
    """
    xp = batch.steps.__array_namespace__()
    inside = batch.steps >= 0
    last = np.arange(inside.shape[1]) == batch.lengths[:, None] - 1
    kept = inside & ((chance >= share) | last)
    # A stable sort moves what is dropped behind what is kept, in order.
    order = xp.argsort(~kept, axis=1, stable=True)
    steps = xp.take_along_axis(xp.where(kept, batch.steps, -1), order, 1)
    return Batch(batch.rows, kept.sum(1).astype(np.int32), steps)


def mask_codes(codes: NDArray[np.int32], rng: np.random.Generator, share: float) -> NDArray[np.int32]:
    """Return codes, int32 [.., 7], of which a share is replaced by "unseen"; padding stays.

    Each field of each step by itself, so that the embedding of "unseen" learns; where the share is above 0,
    half of the rare items are replaced too.
    """
    # As many places as the share makes, drawn with repeats: far fewer draws than one a code.
    codes = codes.copy()
    flat = codes.reshape(-1)
    places = rng.integers(0, flat.size, rng.binomial(flat.size, share))
    flat[places[flat[places] != PADDING]] = UNSEEN
    rare = np.flatnonzero(flat[ITEM :: len(CATEGORICAL)] == RARE)
    hidden = rare[rng.random(len(rare)) < RARE_AS_UNSEEN] if share > 0 else rare[:0]
    flat[hidden * len(CATEGORICAL) + ITEM] = UNSEEN
    return codes


def augment_windows(
    windows: Windows, rng: np.random.Generator, *, unseen_share: float, event_dropout: float
) -> Windows:
    """Do the same to all sessions of a split at once, for models that go through them as they are."""
    if event_dropout > 0:
        kept = rng.random(len(windows.codes)) >= event_dropout
        kept[windows.offsets[1:] - 1] = True
        offsets = np.concatenate(
            [[0], np.cumsum(np.add.reduceat(kept.astype(np.int64), windows.offsets[:-1]))]
        )
        windows = dataclasses.replace(
            windows, offsets=offsets, codes=windows.codes[kept], numbers=windows.numbers[kept]
        )
    return dataclasses.replace(windows, codes=mask_codes(windows.codes, rng, unseen_share))
