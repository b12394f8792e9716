"""What makes more of train's sessions, batch by batch; valid and test never pass here."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.training.batches import Batch
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, PADDING, RARE, UNSEEN

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


def hide(codes: NDArray[np.int32], rng: np.random.Generator, share: float) -> NDArray[np.int32]:
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
    return dataclasses.replace(windows, codes=hide(windows.codes, rng, unseen_share))
