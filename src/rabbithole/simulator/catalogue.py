"""The items of a simulated shop, and draws from many small distributions by Walker's alias method."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.data import RawFiles
from rabbithole.simulator.shop import Floats, Ints, Shop, SimulatorParameters


@dataclass(frozen=True)
class AliasTable:
    """Discrete distributions end to end: row r has the entries offsets[r] to offsets[r + 1].

    A draw picks an entry of the row uniformly. It keeps the entry with probability `keep`, and takes the
    row's entry `alias` otherwise.
    """

    offsets: Ints
    keep: Floats
    alias: NDArray[np.int32]

    def draw(self, rows: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw an entry of each row in `rows`, as its position in the row; int32, shape of `rows`."""
        begins = self.offsets[rows]
        sizes = self.offsets[1:][rows] - begins
        spot = rng.random(rows.shape) * sizes
        entry = spot.astype(np.int32)
        spot -= entry
        begins += entry
        return np.where(spot < self.keep[begins], entry, self.alias[begins])


def alias_table(rows: list[Floats]) -> AliasTable:
    """Prepare draws from distributions of any sizes; each row is scaled to sum to 1 (Vose 1991)."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    keep = np.ones(offsets[-1])
    alias = np.zeros(offsets[-1], np.int32)
    for begin, row in zip(offsets, rows, strict=False):
        weight = row / row.sum() * len(row)
        small = [int(i) for i in np.flatnonzero(weight < 1)]
        large = [int(i) for i in np.flatnonzero(weight >= 1)]
        while small and large:
            low, high = small.pop(), large[-1]
            keep[begin + low], alias[begin + low] = weight[low], high
            weight[high] -= 1 - weight[low]
            if weight[high] < 1:
                small.append(large.pop())
    return AliasTable(offsets, keep, alias)


@dataclass(frozen=True)
class Catalogue:
    """Items in groups end to end: popular items class by class, then rare items class by class.

    item: int64, the numbers in the log. group: int32, k for popular items of class k, `classes` + k for rare
    ones. share: float64, probability of the item within its group. price: float64, in the shop's currency.
    """

    item: Ints
    group: NDArray[np.int32]
    share: Floats
    price: Floats

    def sampler(self) -> AliasTable:
        """Prepare draws of an item within a group; row `sampler().offsets[group]` is the group's first."""
        bounds = np.searchsorted(self.group, np.arange(self.group[-1] + 2))
        return alias_table([self.share[low:high] for low, high in pairwise(bounds)])


def catalogue_sizes(shop: Shop, sessions: int) -> tuple[int, int]:
    """Return the numbers of popular and of rare items in a log with this number of sessions."""
    fraction = sessions / shop.full_sessions
    popular = max(shop.classes * 4, round(shop.full_popular * fraction**0.5))
    return popular, max(shop.classes, round(shop.full_rare * fraction))


def make_catalogue(shop: Shop, sessions: int, rng: np.random.Generator) -> Catalogue:
    """Draw the items: shares by Zipf's law in popular groups, equal in rare ones; prices by class."""
    popular, rare = catalogue_sizes(shop, sessions)
    # Every class gets a part of both kinds, so that no group is empty.
    group = np.concatenate(
        [np.arange(popular) * shop.classes // popular, np.arange(rare) * shop.classes // rare + shop.classes]
    ).astype(np.int32)
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    weight = np.where(group < shop.classes, 1 / (rank + shop.zipf_shift), 1.0)
    share = weight / np.bincount(group, weight)[group]
    position = shop.class_position[group % shop.classes]
    price = shop.price_median * np.exp(
        shop.price_slope * position + shop.price_sigma * rng.standard_normal(len(group))
    )
    item = shop.first_item + rng.permutation(len(group) * shop.item_spacing)[: len(group)]
    price = np.maximum(1, np.round(price / shop.price_step)) * shop.price_step
    return Catalogue(item.astype(np.int64), group, share, price)


def write_catalogue(catalogue: Catalogue, path: Path) -> None:
    """Write the items as Parquet: item, group, share, price."""
    columns = {name: getattr(catalogue, name) for name in ("item", "group", "share", "price")}
    pq.write_table(pa.table(columns), path)


def read_catalogue(path: Path) -> Catalogue:
    """Read what `write_catalogue` wrote."""
    table = pq.read_table(path)
    return Catalogue(*(table[name].to_numpy() for name in ("item", "group", "share", "price")))


def read_shop(parameters: Path) -> tuple[Shop, Catalogue]:
    """Read the shop from a simulated log's parameters.json, and the catalogue from the file beside it."""
    RawFiles.check(parameters.parent)
    values = SimulatorParameters.read(parameters)
    return values.shop, read_catalogue(parameters.with_name(values.items))
