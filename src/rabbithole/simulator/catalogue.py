"""Draws from many small distributions at once, in constant time each: Walker's alias method."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.simulator.shop import Shop

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


@dataclass(frozen=True)
class Catalogue:
    """Items in groups laid end to end: the popular ones class by class, then the rare ones class by class.

    item: int64, the shop's own numbers. group: int32, class k of the popular items is k, of the rare ones
    classes + k. share: probability of the item within its group. price: money, float64.
    """

    item: NDArray[np.int64]
    group: NDArray[np.int32]
    share: Floats
    price: Floats

    def sampler(self) -> Alias:
        """Prepare draws of an item within a group; add `sampler().offsets[group]` for the item's row."""
        bounds = np.searchsorted(self.group, np.arange(self.group[-1] + 2))
        return alias([self.share[low:high] for low, high in pairwise(bounds)])


def sizes(shop: Shop, sessions: int) -> tuple[int, int]:
    """Return the numbers of popular and of rare items that a log of so many sessions has."""
    part = sessions / shop.full_sessions
    popular = max(shop.classes * 4, round(shop.full_popular * part**0.5))
    return popular, max(shop.classes, round(shop.full_rare * part))


def make_catalogue(shop: Shop, sessions: int, random: np.random.Generator) -> Catalogue:
    """Invent items: Zipf's law within a popular class, equal shares within a rare one, prices by class."""
    popular, rare = sizes(shop, sessions)
    # Every class gets its part of both kinds, so that no group is empty.
    group = np.concatenate(
        [np.arange(popular) * shop.classes // popular, np.arange(rare) * shop.classes // rare + shop.classes]
    ).astype(np.int32)
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    weight = np.where(group < shop.classes, 1 / (rank + shop.zipf_shift), 1.0)
    share = weight / np.bincount(group, weight)[group]
    position = shop.class_position[group % shop.classes]
    price = shop.price_middle * np.exp(
        shop.price_slope * position + shop.price_spread * random.standard_normal(len(group))
    )
    if shop.format == "yoochoose":
        item = 214_500_000 + random.permutation(len(group) * 8)[: len(group)]
        price = np.maximum(1, np.round(price))
    else:
        item = random.permutation(len(group))
        price = np.maximum(1, np.round(price / 120)) * 120
    return Catalogue(item.astype(np.int64), group, share, price)


def write_catalogue(catalogue: Catalogue, path: Path) -> None:
    """Write the item table as Parquet: item, group, share, price."""
    columns = {name: getattr(catalogue, name) for name in ("item", "group", "share", "price")}
    pq.write_table(pa.table(columns), path)


def read_catalogue(path: Path) -> Catalogue:
    """Read what `write_catalogue` wrote."""
    table = pq.read_table(path)
    return Catalogue(*(table[name].to_numpy() for name in ("item", "group", "share", "price")))
