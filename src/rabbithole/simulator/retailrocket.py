"""The files of Retailrocket: events, and what the shop knew of its items week by week."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import DAY
from rabbithole.simulator.shop import Shop, milliseconds
from rabbithole.simulator.shoppers import Aftermath, Events
from rabbithole.simulator.text import Lines, words

DUPLICATES = 460 / 2_756_101
"""Share of rows that stand in the log twice."""


class Retailrocket:
    """Writes the four files, the events chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the file of events, which the stack closes."""
        self.shop, self.catalogue, self.folder = shop, catalogue, folder
        names = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
        self.events = stack.enter_context(Lines(folder / "events.csv", names, header=True))
        self.transactions = 0

    def unlabelled(self, sessions: int) -> int:
        """Return 0: every visitor is in the one log."""
        del sessions
        return 0

    def numbers(self, first: int, count: int, first_test: int, tests: int) -> NDArray[np.int64]:
        """Return the numbers of a chunk's visitors, from 0."""
        del first_test, tests
        return np.arange(first, first + count)

    def write(
        self,
        number: NDArray[np.int64],
        labelled: int,
        events: Events,
        after: Aftermath,
        random: np.random.Generator,
    ) -> None:
        """Write a chunk's events in any order, a few of them twice."""
        del labelled
        sizes = np.diff(events.paths.offsets)
        session = np.concatenate(
            [np.repeat(np.arange(len(sizes)), sizes), after.session, after.bought_session]
        )
        time = np.concatenate([events.time, after.time, after.bought_time])
        item = np.concatenate([events.item, after.item, after.bought_item])
        bought = np.full(len(after.basket), len(self.shop.kinds))
        kind = np.concatenate([events.kind, after.kind, bought])
        transaction = np.concatenate(
            [np.full(len(events.kind) + len(after.kind), -1), after.basket + self.transactions]
        )
        self.transactions += int(after.basket.max(initial=-1)) + 1
        twice = random.integers(0, len(time), random.binomial(len(time), DUPLICATES))
        order = random.permutation(np.concatenate([np.arange(len(time)), twice]))
        transaction = transaction[order]
        self.events.write(
            time[order],
            number[session[order]],
            words([*self.shop.kinds, "transaction"], kind[order]),
            self.catalogue.item[item[order]],
            pa.array(transaction, mask=transaction < 0),
        )

    def finish(self, random: np.random.Generator) -> None:
        """Write the properties of all items and the tree of categories."""
        write_properties(self.shop, self.catalogue, self.folder, random)


# Nineteen Sundays, of which the published log lacks one.
SNAPSHOTS = np.array(
    [milliseconds("2015-05-10T03:00:00") + week * 7 * DAY for week in range(19) if week != 6], np.int64
)
CATEGORIES = 1_669
BLOCK = 20_000
"""Items written at a time."""

FIRST_FILE = 11 / 20.275902
"""Share of the rows in the first of the two files."""

# Rows an item, besides its first, of what changes in time; and rows of all other properties together.
MORE_CATEGORIES, MORE_PRICES, MORE_AVAILABLE, OTHERS = 0.9, 3.3, 2.6, 45.53
LATE = 0.15
"""Share of the rare items that the first snapshot does not hold yet."""
MOVED = 0.02
"""Share of the items that change their category, to another of the same class."""


def write_properties(shop: Shop, catalogue: Catalogue, folder: Path, random: np.random.Generator) -> None:
    """Write both files of item properties and the category tree.

    The category says the item's class, as each class owns its own part of the tree; property 790 is the
    price.
    """
    owned = category_numbers(shop, random)
    write_tree(owned, folder, random)
    # Some hundred hashed properties, the first far more often than the last; 888 is the commonest.
    hashed = [str(number) for number in random.choice(1_100, 900, replace=False) if number not in (790, 888)]
    pool = ["888", *hashed, "categoryid", "790", "available"]
    values = value_pool(random)
    names = ["timestamp", "itemid", "property", "value"]
    with (
        Lines(folder / "item_properties_part1.csv", names, header=True) as first,
        Lines(folder / "item_properties_part2.csv", names, header=True) as second,
    ):
        for low in range(0, len(catalogue.item), BLOCK):
            part = slice(low, low + BLOCK)
            group, price = catalogue.group[part], catalogue.price[part]
            item, when, name, value = property_rows(
                shop, group, price, owned, len(hashed) + 1, values, random
            )
            order = random.permutation(len(item))
            cut = round(len(item) * FIRST_FILE)
            for file, rows in ((first, order[:cut]), (second, order[cut:])):
                file.write(
                    SNAPSHOTS[when[rows]],
                    catalogue.item[part][item[rows]],
                    words(pool, name[rows]),
                    value.take(pa.array(rows)),
                )


def property_rows(
    shop: Shop,
    group: NDArray[np.int32],
    price: NDArray[np.float64],
    owned: list[NDArray[np.int64]],
    others: int,
    values: list[str],
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], pa.Array]:
    """Draw a block's rows: item (within the block), snapshot, property (within the pool), value."""
    count = len(group)
    seen_from = np.where(
        (group >= shop.classes) & (random.random(count) < LATE), random.integers(1, len(SNAPSHOTS), count), 0
    )
    categories = draw_categories(group % shop.classes, owned, random)
    moved = draw_categories(group % shop.classes, owned, random)
    moves_at = np.where(
        random.random(count) < MOVED, random.integers(1, len(SNAPSHOTS), count), len(SNAPSHOTS)
    )

    item, when = snapshots(seen_from, MORE_CATEGORIES, random, also=moves_at)
    category_rows = item, when, np.where(when >= moves_at[item], moved[item], categories[item])
    item, when = snapshots(seen_from, MORE_PRICES, random)
    changed = np.where(when == seen_from[item], 1, random.choice([1, 1, 1.05, 0.95, 0.9], len(item)))
    price_rows = item, when, np.maximum(1, np.round(price[item] * changed / 120)).astype(np.int64) * 120
    item, when = snapshots(seen_from, MORE_AVAILABLE, random)
    available_rows = item, when, (random.random(len(item)) < 0.6).astype(np.int64)

    rows = random.poisson(OTHERS * count)
    item = random.integers(0, count, rows)
    name = (others * random.random(rows) ** 4).astype(np.int64)
    later = random.integers(0, len(SNAPSHOTS), rows)
    when = np.where(random.random(rows) < 0.6, seen_from[item], np.maximum(later, seen_from[item]))
    # One property has one value a snapshot.
    _, once = np.unique((item * len(SNAPSHOTS) + when) * others + name, return_index=True)
    other_rows = item[once], when[once]

    columns = [category_rows, price_rows, available_rows, other_rows]
    names = [np.full(len(column[0]), others + i) for i, column in enumerate(columns[:3])]
    cents = pa.array(price_rows[2]).cast(pa.string())
    value = pa.concat_arrays(
        [
            pa.array(category_rows[2]).cast(pa.string()),
            pc.binary_join_element_wise(pa.scalar("n"), cents, pa.scalar(".000"), ""),
            pa.array(available_rows[2]).cast(pa.string()),
            words(values, random.integers(0, len(values), len(once))),
        ]
    )
    return (
        np.concatenate([column[0] for column in columns]),
        np.concatenate([column[1] for column in columns]),
        np.concatenate([*names, name[once]]),
        value,
    )


def snapshots(
    seen_from: NDArray[np.int64],
    more: float,
    random: np.random.Generator,
    also: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw at which snapshots something is told of each item: its first, some later ones, and `also`."""
    week = np.arange(len(SNAPSHOTS))
    told = random.random((len(seen_from), len(week))) < more / (len(week) - 1)
    told[:, 1:] &= week[1:] > seen_from[:, None]
    told[:, 0] = False
    told |= week == seen_from[:, None]
    if also is not None:
        told |= (week == also[:, None]) & (week > seen_from[:, None])
    item, when = np.nonzero(told)
    return item, when


def category_numbers(shop: Shop, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Share the categories' numbers out among the classes; the first of each is its root."""
    return np.array_split(random.permutation(CATEGORIES + 30)[:CATEGORIES], shop.classes)


def draw_categories(
    klass: NDArray[np.int32], owned: list[NDArray[np.int64]], random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a category of each item's class, the first ones far more often."""
    size = np.array([len(numbers) for numbers in owned])
    begin = np.cumsum(size) - size
    rank = (size[klass] * random.random(len(klass)) ** 4).astype(np.int64)
    return np.asarray(np.concatenate(owned)[begin[klass] + rank])


def write_tree(owned: list[NDArray[np.int64]], folder: Path, random: np.random.Generator) -> None:
    """Write the category tree: below each root eight branches, and below these all else."""
    child, parent = [], []
    for numbers in owned:
        places = np.arange(len(numbers))
        above = np.where(places <= 8, numbers[0], numbers[1 + places % 8])
        child.append(numbers)
        parent.append(np.where(places == 0, -1, above))
    # One root more, with nothing below it.
    order = random.permutation(CATEGORIES)
    parents = np.concatenate(parent)
    parents[len(owned[0]) - 1] = -1
    with Lines(folder / "category_tree.csv", ["categoryid", "parentid"], header=True) as file:
        file.write(np.concatenate(child)[order], pa.array(parents[order], mask=parents[order] < 0))


def value_pool(random: np.random.Generator) -> list[str]:
    """Invent values of hashed properties: one to three hashed words, or a word and a number."""
    one = random.integers(1_000, 1_320_000, (4_000, 3))
    kind = random.choice(4, 4_000, p=[0.55, 0.2, 0.1, 0.15])
    return [
        (f"{a}", f"{a} {b}", f"{a} {b} {c}", f"n{a % 1000}.000 {b}")[k]
        for (a, b, c), k in zip(one.tolist(), kind.tolist(), strict=True)
    ]
