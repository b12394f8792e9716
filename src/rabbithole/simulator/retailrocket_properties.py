"""The item properties and the category tree of the simulated Retailrocket."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chain import WEEK
from rabbithole.simulator.chunks import CsvFile, take_names
from rabbithole.simulator.shop import Floats, Ints, Shop, milliseconds

# Nineteen Sundays, one of which the published log lacks.
SNAPSHOTS = np.array(
    [milliseconds("2015-05-10T03:00:00") + week * WEEK for week in range(19) if week != 6], np.int64
)

CATEGORIES = 1_669

ITEMS_PER_BLOCK = 20_000
"""Items that are written at a time, which bounds the memory."""

FIRST_FILE = 11 / 20.275902
"""Share of the rows in the first of the two files."""

# Mean rows per item, besides its first, of the properties that change over time; and of all other properties.
MORE_CATEGORIES, MORE_PRICES, MORE_AVAILABLE, OTHERS = 0.9, 3.3, 2.6, 45.53

LATE_SHARE = 0.15
"""Share of the rare items that the first snapshot does not hold yet."""

MOVED_SHARE = 0.02
"""Share of the items that move to another category of the same class."""


def write_properties(shop: Shop, catalogue: Catalogue, folder: Path, rng: np.random.Generator) -> None:
    """Write both files of item properties and the category tree.

    Each class of items has its own part of the tree, so that the category reveals the class. Property 790 is
    the price.
    """
    class_categories = draw_category_numbers(shop, rng)
    write_tree(class_categories, folder, rng)
    # About nine hundred hashed properties, the first far more often than the last. 888 is the most common.
    hashed = [str(number) for number in rng.choice(1_100, 900, replace=False) if number not in (790, 888)]
    properties = ["888", *hashed, "categoryid", "790", "available"]
    values = hashed_values(rng)
    names = ["timestamp", "itemid", "property", "value"]
    with (
        CsvFile(folder / "item_properties_part1.csv", names, header=True) as first,
        CsvFile(folder / "item_properties_part2.csv", names, header=True) as second,
    ):
        for begin in range(0, len(catalogue.item), ITEMS_PER_BLOCK):
            block = slice(begin, begin + ITEMS_PER_BLOCK)
            item, snapshot, name, value = draw_rows(
                shop,
                catalogue.group[block],
                catalogue.price[block],
                class_categories,
                len(hashed) + 1,
                values,
                rng,
            )
            order = rng.permutation(len(item))
            cut = round(len(item) * FIRST_FILE)
            for file, rows in ((first, order[:cut]), (second, order[cut:])):
                file.write(
                    SNAPSHOTS[snapshot[rows]],
                    catalogue.item[block][item[rows]],
                    take_names(properties, name[rows]),
                    value.take(pa.array(rows)),
                )


def draw_rows(
    shop: Shop,
    group: NDArray[np.int32],
    price: Floats,
    class_categories: list[Ints],
    hashed: int,
    values: list[str],
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints, pa.Array]:
    """Draw the rows of a block of items: item (in the block), snapshot, property, value.

    hashed: number of hashed properties; category, price and availability have the three numbers after them.
    """
    count = len(group)
    first_snapshot = np.where(
        (group >= shop.classes) & (rng.random(count) < LATE_SHARE), rng.integers(1, len(SNAPSHOTS), count), 0
    )
    categories = draw_categories(group % shop.classes, class_categories, rng)
    moved = draw_categories(group % shop.classes, class_categories, rng)
    moves_at = np.where(
        rng.random(count) < MOVED_SHARE, rng.integers(1, len(SNAPSHOTS), count), len(SNAPSHOTS)
    )

    item, snapshot = draw_snapshots(first_snapshot, MORE_CATEGORIES, rng, extra=moves_at)
    category_rows = item, snapshot, np.where(snapshot >= moves_at[item], moved[item], categories[item])
    item, snapshot = draw_snapshots(first_snapshot, MORE_PRICES, rng)
    factor = np.where(snapshot == first_snapshot[item], 1, rng.choice([1, 1, 1.05, 0.95, 0.9], len(item)))
    steps = np.maximum(1, np.round(price[item] * factor / shop.price_step)).astype(np.int64)
    price_rows = item, snapshot, steps * shop.price_step
    item, snapshot = draw_snapshots(first_snapshot, MORE_AVAILABLE, rng)
    available_rows = item, snapshot, (rng.random(len(item)) < 0.6).astype(np.int64)

    rows = rng.poisson(OTHERS * count)
    item = rng.integers(0, count, rows)
    name = (hashed * rng.random(rows) ** 4).astype(np.int64)
    later = rng.integers(0, len(SNAPSHOTS), rows)
    snapshot = np.where(rng.random(rows) < 0.6, first_snapshot[item], np.maximum(later, first_snapshot[item]))
    # A property of an item has one value per snapshot.
    _, unique = np.unique((item * len(SNAPSHOTS) + snapshot) * hashed + name, return_index=True)
    hashed_rows = item[unique], snapshot[unique]

    columns = [category_rows, price_rows, available_rows, hashed_rows]
    names = [np.full(len(column[0]), hashed + i) for i, column in enumerate(columns[:3])]
    prices = pa.array(price_rows[2]).cast(pa.string())
    value = pa.concat_arrays(
        [
            pa.array(category_rows[2]).cast(pa.string()),
            pc.binary_join_element_wise(pa.scalar("n"), prices, pa.scalar(".000"), ""),
            pa.array(available_rows[2]).cast(pa.string()),
            take_names(values, rng.integers(0, len(values), len(unique))),
        ]
    )
    return (
        np.concatenate([column[0] for column in columns]),
        np.concatenate([column[1] for column in columns]),
        np.concatenate([*names, name[unique]]),
        value,
    )


def draw_snapshots(
    first_snapshot: Ints, more: float, rng: np.random.Generator, extra: Ints | None = None
) -> tuple[Ints, Ints]:
    """Draw which snapshots hold a property of each item: its first one, `more` later ones, and `extra`.

    Returns the items and the snapshots of the rows.
    """
    snapshot = np.arange(len(SNAPSHOTS))
    held = rng.random((len(first_snapshot), len(snapshot))) < more / (len(snapshot) - 1)
    held[:, 1:] &= snapshot[1:] > first_snapshot[:, None]
    held[:, 0] = False
    held |= snapshot == first_snapshot[:, None]
    if extra is not None:
        held |= (snapshot == extra[:, None]) & (snapshot > first_snapshot[:, None])
    items, snapshots = np.nonzero(held)
    return items, snapshots


def draw_category_numbers(shop: Shop, rng: np.random.Generator) -> list[Ints]:
    """Distribute the categories' numbers among the classes; the first number of a class is its root."""
    return np.array_split(rng.permutation(CATEGORIES + 30)[:CATEGORIES], shop.classes)


def draw_categories(
    item_class: NDArray[np.int32], class_categories: list[Ints], rng: np.random.Generator
) -> Ints:
    """Draw a category of each item's class, the first ones far more often."""
    size = np.array([len(numbers) for numbers in class_categories])
    begin = np.cumsum(size) - size
    rank = (size[item_class] * rng.random(len(item_class)) ** 4).astype(np.int64)
    return np.asarray(np.concatenate(class_categories)[begin[item_class] + rank])


def write_tree(class_categories: list[Ints], folder: Path, rng: np.random.Generator) -> None:
    """Write the category tree: each root has eight branches, which have all other categories of the class."""
    child, parent = [], []
    for numbers in class_categories:
        position = np.arange(len(numbers))
        above = np.where(position <= 8, numbers[0], numbers[1 + position % 8])
        child.append(numbers)
        parent.append(np.where(position == 0, -1, above))
    order = rng.permutation(CATEGORIES)
    parents = np.concatenate(parent)
    # One more root, which has no branches.
    parents[len(class_categories[0]) - 1] = -1
    with CsvFile(folder / "category_tree.csv", ["categoryid", "parentid"], header=True) as file:
        file.write(np.concatenate(child)[order], pa.array(parents[order], mask=parents[order] < 0))


def hashed_values(rng: np.random.Generator) -> list[str]:
    """Draw values of hashed properties: one to three hashed words, or a number and a word."""
    words = rng.integers(1_000, 1_320_000, (4_000, 3))
    shape = rng.choice(4, 4_000, p=[0.55, 0.2, 0.1, 0.15])
    return [
        (f"{a}", f"{a} {b}", f"{a} {b} {c}", f"n{a % 1000}.000 {b}")[index]
        for (a, b, c), index in zip(words.tolist(), shape.tolist(), strict=True)
    ]
