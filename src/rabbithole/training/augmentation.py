"""Training-time augmentation: events are dropped, and codes are masked as unseen."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.training.batching import Batch
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, PADDING, RARE, UNSEEN

ITEM = CATEGORICAL.index("item")

RARE_AS_UNSEEN = 0.5
"""Fraction of rare items that are masked as unseen. Items absent from train resemble items seen once or twice
(Good 1953, The population frequencies of species): most rare items of test are unseen."""


def drop_events(batch: Batch, uniform: Any, fraction: float) -> Batch:
    """Return the batch without a fraction of its events, with NumPy or JAX arrays.

    uniform: float [batch, steps], random numbers between 0 and 1. The last event of a session always stays,
    as the session ended there. The times between the remaining events stay as they were.
    """
    xp = batch.steps.__array_namespace__()
    inside = batch.steps >= 0
    last = xp.arange(inside.shape[1])[None] == batch.lengths[:, None] - 1
    kept = inside & ((uniform >= fraction) | last)
    # A stable sort moves the dropped events behind the kept ones, which stay in order.
    order = xp.argsort(~kept, axis=1, stable=True)
    steps = xp.take_along_axis(xp.where(kept, batch.steps, -1), order, 1)
    return Batch(batch.rows, kept.sum(1).astype(np.int32), steps)


def mask_codes(codes: NDArray[np.int32], rng: np.random.Generator, fraction: float) -> NDArray[np.int32]:
    """Return codes, int32 [.., categorical], with a fraction of them replaced by UNSEEN; padding stays.

    Each field of each step is masked by itself, so that the embedding of UNSEEN is trained. Where the
    fraction is above 0, half of the rare items are masked too.
    """
    # Drawing the number of masked places, then the places (with repeats), takes far fewer random numbers
    # than one per code.
    codes = codes.copy()
    flat = codes.reshape(-1)
    places = rng.integers(0, flat.size, rng.binomial(flat.size, fraction))
    flat[places[flat[places] != PADDING]] = UNSEEN
    rare = np.flatnonzero(flat[ITEM :: len(CATEGORICAL)] == RARE)
    masked = rare[rng.random(len(rare)) < RARE_AS_UNSEEN] if fraction > 0 else rare[:0]
    flat[masked * len(CATEGORICAL) + ITEM] = UNSEEN
    return codes


def mask_codes_on_device(codes: Array, key: Array, fraction: float) -> Array:
    """Return codes masked as by `mask_codes`, with JAX's random numbers."""
    all_key, rare_key = jax.random.split(key)
    masked = jax.random.bernoulli(all_key, fraction, codes.shape)
    items = codes[..., ITEM]
    rare = (items == RARE) & jax.random.bernoulli(rare_key, RARE_AS_UNSEEN, items.shape)
    masked = masked.at[..., ITEM].set(masked[..., ITEM] | rare)
    return jnp.where(masked & (codes != PADDING), UNSEEN, codes)


def augment_windows(
    windows: Windows, rng: np.random.Generator, *, unseen_share: float, event_dropout: float
) -> Windows:
    """Return a split augmented once, for models that do not pass over it batch by batch."""
    if event_dropout > 0:
        kept = rng.random(len(windows.codes)) >= event_dropout
        kept[windows.offsets[1:] - 1] = True
        lengths = np.add.reduceat(kept.astype(np.int64), windows.offsets[:-1])
        windows = dataclasses.replace(
            windows,
            offsets=np.append(0, np.cumsum(lengths)),
            codes=windows.codes[kept],
            numbers=windows.numbers[kept],
        )
    return dataclasses.replace(windows, codes=mask_codes(windows.codes, rng, unseen_share))
