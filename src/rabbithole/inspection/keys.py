"""How the events of a key (a session, a visitor) lie in time and in the file."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

LONG_PAUSE = 6 * 3600.0
"""Seconds after which the same key is back rather than still there."""


@dataclass(frozen=True)
class Keyed:
    """Rows in order of key and time.

    order: int64 [n], rows of the sample that have a key and a time; key: int64 [n], the code of each row's
    key; seconds: float64 [n]; block: int64 [n].
    """

    order: NDArray[np.int64]
    key: NDArray[np.int64]
    seconds: NDArray[np.float64]
    block: NDArray[np.int64]

    @classmethod
    def by(cls, keys: pa.Array, seconds: pa.Array, block: NDArray[np.int64]) -> "Keyed":
        """Return rows by a column of keys and one of seconds, both null where missing."""
        complete = pc.and_(keys.is_valid(), seconds.is_valid()).to_numpy(zero_copy_only=False)
        codes = keys.dictionary_encode().indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        times = seconds.fill_null(0).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(complete)
        order = rows[np.lexsort((rows, times[rows], codes[rows]))]
        return cls(order, codes[order], times[order], block[order])

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Return which rows are the first of their key, bool [n]."""
        return np.append(True, self.key[1:] != self.key[:-1])[: len(self.key)]

    @cached_property
    def pauses(self) -> NDArray[np.float64]:
        """Return the seconds since the previous event of the same key, of all rows that have one."""
        return np.diff(self.seconds)[~self.first[1:]]

    @property
    def count(self) -> int:
        """Return the number of keys."""
        return int(self.first.sum())

    @property
    def median_pause(self) -> float:
        """Return the median pause in seconds, infinite where no key has two events."""
        return float(np.median(self.pauses)) if len(self.pauses) else float("inf")

    @property
    def clustering(self) -> float:
        """Return the median pause divided by that of shuffled keys: 1 if keys do not matter."""
        keys = np.random.default_rng(0).permutation(self.key)
        order = np.lexsort((self.seconds, keys))
        keys, seconds = keys[order], self.seconds[order]
        pauses = np.diff(seconds)[keys[1:] == keys[:-1]]
        return self.median_pause / max(float(np.median(pauses)), 1e-9) if len(pauses) else float("inf")

    @property
    def returning(self) -> float:
        """Return the share of keys with several events that come back after a long pause."""
        several = self.count - int((np.diff(np.append(np.flatnonzero(self.first), len(self.key))) == 1).sum())
        if not several:
            return 0.0
        long = ~self.first[1:] & (np.diff(self.seconds) > LONG_PAUSE)
        return len(np.unique(self.key[1:][long])) / several

    def starts(self, gap: float | None) -> NDArray[np.bool_]:
        """Return which rows begin a session, bool [n]. gap: seconds of a pause that ends one, or None."""
        if gap is None:
            return self.first
        return self.first | np.append(True, np.diff(self.seconds) > gap)[: len(self.key)]
