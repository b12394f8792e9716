"""The items of a simulated shop: how many, how popular, of which class, at which price."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.simulate.draws import Alias, alias
from rabbithole.simulate.shop import Shop

Floats = NDArray[np.float64]


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
