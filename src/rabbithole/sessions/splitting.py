"""Assign sessions to train, valid and test, by time or by hash."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")


def split_bounds(starts: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Return the times at which valid and test begin, int64 [2], so that the splits get their shares.

    starts: int64 [sessions], start times in any order. A session that starts exactly at a bound is on its
    later side, so sessions that start together stay together.
    """
    ends = np.cumsum(shares)[:2]
    ranks = np.minimum(np.round(ends * len(starts)).astype(np.int64), len(starts) - 1)
    return np.partition(starts, ranks)[ranks]


def split_by_time(starts: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each start time."""
    return np.searchsorted(bounds, starts, side="right")


def split_by_hash(keys: pa.Array, shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each key (string), by its hash under a seed."""
    return np.searchsorted(np.cumsum(shares)[:2], hash_shares(keys, f"{seed % 10**16:016d}"), side="right")


def hash_shares(keys: pa.Array, hash_key: str) -> NDArray[np.float64]:
    """Return a number in [0, 1] for each key (string), by its hash. hash_key: 16 characters."""
    hashes = pd.util.hash_array(
        keys.to_numpy(zero_copy_only=False), encoding="utf8", hash_key=hash_key, categorize=False
    )
    return hashes / 2.0**64


def count_crossings(
    first_of_visitor: NDArray[np.bool_], starts: NDArray[np.int64], bounds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many visitors have sessions on both sides of each bound, int64 [2].

    first_of_visitor: bool [sessions], the session is the first of its visitor; starts: int64 [sessions],
    rising within a visitor.
    """
    begins = np.flatnonzero(first_of_visitor)
    if len(begins) == 0:
        return np.zeros(len(bounds), dtype=np.int64)
    earliest, latest = starts[begins], starts[np.append(begins[1:], len(starts)) - 1]
    return np.array([int(np.sum((earliest < bound) & (latest >= bound))) for bound in bounds], dtype=np.int64)
