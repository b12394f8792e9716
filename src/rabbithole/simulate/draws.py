"""Draws from many small distributions at once, in constant time each: Walker's alias method."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alias:
    """Distributions laid end to end: row r holds the entries offsets[r] to offsets[r + 1]."""

    offsets: Ints
    keep: Floats
    other: NDArray[np.int32]

    def draw(self, rows: NDArray[np.integer], random: np.random.Generator) -> NDArray[np.int32]:
        """Draw one entry from each named row: its position within the row; int32, the shape of `rows`."""
        begins = self.offsets[rows]
        sizes = self.offsets[1:][rows] - begins
        spot = random.random(rows.shape) * sizes
        entry = spot.astype(np.int32)
        spot -= entry
        begins += entry
        return np.where(spot < self.keep[begins], entry, self.other[begins])


def alias(rows: list[Floats]) -> Alias:
    """Prepare draws from distributions of any sizes; each row is scaled to sum to 1 (Vose 1991)."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    keep = np.ones(offsets[-1])
    other = np.zeros(offsets[-1], np.int32)
    for begin, row in zip(offsets, rows, strict=False):
        weight = row / row.sum() * len(row)
        small = [int(i) for i in np.flatnonzero(weight < 1)]
        large = [int(i) for i in np.flatnonzero(weight >= 1)]
        while small and large:
            low, high = small.pop(), large[-1]
            keep[begin + low], other[begin + low] = weight[low], high
            weight[high] -= 1 - weight[low]
            if weight[high] < 1:
                small.append(large.pop())
    return Alias(offsets, keep, other)
