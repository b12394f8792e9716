"""Assign sessions to train, valid and test: by time, by hash, or by folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.specs.data import Fold, SplitSpec

SPLITS = ("train", "valid", "test")


def split_ranks(sessions: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Return the ranks, by start, of the sessions that begin valid and test, int64 [2], counted from 0.

    A session that starts exactly at a bound is on its later side, so sessions that start together stay
    together.
    """
    ends = np.cumsum(shares)[:2]
    return np.minimum(np.round(ends * sessions).astype(np.int64), sessions - 1)


def split_by_time(starts: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each start time."""
    return np.searchsorted(bounds, starts, side="right")


def split_by_hash(keys: pa.Array, shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each key (string), by its hash under a seed."""
    return np.searchsorted(np.cumsum(shares)[:2], hash_shares(keys, _hash_key(seed)), side="right")


def split_by_fold(keys: pa.Array, fold: Fold, seed: int) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each key (string), by its hash under a seed.

    The keys of a fold are its test, those of the next fold its valid, all others its train. So over all
    folds each key is in test once and in valid once.
    """
    own = (hash_keys(keys, _hash_key(seed)) % np.uint64(fold.count)).astype(np.int64)
    ahead = (own - fold.number) % fold.count
    return np.where(ahead == 0, SPLITS.index("test"), np.where(ahead == 1, SPLITS.index("valid"), 0))


def split_at_random(keys: pa.Array, split: SplitSpec, seed: int) -> NDArray[np.int64]:
    """Return the index into `SPLITS` for each key (string): by folds or by hash, as the spec says."""
    if split.fold is not None:
        return split_by_fold(keys, split.fold, seed)
    return split_by_hash(keys, split.shares, seed)


def _hash_key(seed: int) -> str:
    return f"{seed % 10**16:016d}"


def hash_shares(keys: pa.Array, hash_key: str) -> NDArray[np.float64]:
    """Return a number in [0, 1] for each key (string), by its hash. hash_key: 16 characters."""
    return hash_keys(keys, hash_key) / 2.0**64


def hash_keys(keys: pa.Array, hash_key: str = "visitors and key") -> NDArray[np.uint64]:
    """Return the hash of each key (string), uint64. hash_key: 16 characters."""
    values = keys.to_numpy(zero_copy_only=False)
    return np.asarray(pd.util.hash_array(values, encoding="utf8", hash_key=hash_key, categorize=False))


def visitor_spans(rows: pa.Table) -> pa.Table:
    """Return a row for each visitor: columns visitor, earliest and latest, as in the rows."""
    spans = rows.group_by("visitor").aggregate([("earliest", "min"), ("latest", "max")])
    return spans.rename_columns(["visitor", "earliest", "latest"])


def count_crossings(spans: pa.Table, bounds: NDArray[np.int64]) -> list[int]:
    """Return how many visitors have sessions on both sides of each bound. spans: a row for each visitor."""
    earliest, latest = spans["earliest"].to_numpy(), spans["latest"].to_numpy()
    return [int(np.sum((earliest < bound) & (latest >= bound))) for bound in bounds]
