"""The files of YOOCHOOSE: clicks, buys, and a test file of clicks alone; no headers."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.shop import Shop, milliseconds
from rabbithole.simulator.shoppers import Aftermath, Events
from rabbithole.simulator.text import Lines, stamps, words

NUMBERS = [str(number) for number in range(1, 13)]
BRANDS = [str(number) for number in np.random.default_rng(2014).integers(10**7, 2**31, 20)]
POOL = ["0", "S", *NUMBERS, *BRANDS]
FIRST = np.array([0, 1, 2, 2 + len(NUMBERS)])
SIZE = np.array([1, 1, len(NUMBERS), len(BRANDS)])

SKEW = (1.0, 1.0, 1.5, 2.0)
"""A context of n categories shows the one at n u ** skew, u even between 0 and 1."""

FREE = 0.53
"""Share of purchases whose price and quantity are given as 0."""

TEST_PART = 4
"""One session in so many more stands in the test file; its number is divisible by five."""


def numbers_of(first: int, count: int) -> NDArray[np.int64]:
    """Return the log's numbers of labelled sessions: all that are not divisible by five."""
    order = np.arange(first, first + count)
    return order + order // TEST_PART + 1


def test_numbers(first: int, count: int) -> NDArray[np.int64]:
    """Return the numbers of sessions of the test file."""
    return (np.arange(first, first + count) + 1) * (TEST_PART + 1)


def category_shares() -> tuple[list[str], NDArray[np.float64]]:
    """Return the log's words for categories, and the share of each in each context; [contexts, words]."""
    shares = np.zeros((len(SIZE), len(POOL)))
    for context, (first, size, skew) in enumerate(zip(FIRST, SIZE, SKEW, strict=True)):
        shares[context, first : first + size] = np.diff((np.arange(size + 1) / size) ** (1 / skew))
    return POOL, shares


class Yoochoose:
    """Writes the three files chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the files, which the stack closes."""
        self.catalogue = catalogue
        self.context_from = milliseconds(shop.context_from)
        clicks = ["session", "timestamp", "item", "category"]
        buys = ["session", "timestamp", "item", "price", "quantity"]
        self.clicks = stack.enter_context(Lines(folder / "yoochoose-clicks.dat", clicks, header=False))
        self.test = stack.enter_context(Lines(folder / "yoochoose-test.dat", clicks, header=False))
        self.buys = stack.enter_context(Lines(folder / "yoochoose-buys.dat", buys, header=False))

    def unlabelled(self, sessions: int) -> int:
        """Return how many sessions beyond the labelled ones the log has."""
        return sessions // TEST_PART

    def numbers(self, first: int, count: int, first_test: int, tests: int) -> NDArray[np.int64]:
        """Return the numbers of a chunk's sessions, the test file's last."""
        return np.concatenate([numbers_of(first, count), test_numbers(first_test, tests)])

    def write(
        self,
        number: NDArray[np.int64],
        labelled: int,
        events: Events,
        after: Aftermath,
        random: np.random.Generator,
    ) -> None:
        """Write a chunk: clicks grouped by session, buys in any order; only `labelled` sessions have buys."""
        sizes = np.diff(events.paths.offsets)
        session, time, item = np.repeat(np.arange(len(sizes)), sizes), events.time, events.item
        context = events.context
        if len(after.session):
            session = np.concatenate([session, after.session])
            order = np.argsort(session, kind="stable")
            session = session[order]
            time = np.concatenate([time, after.time])[order]
            item = np.concatenate([item, after.item])[order]
            context = np.concatenate([context, after.context])[order]
        context = np.where(time < self.context_from, 0, context)
        code = FIRST[context]
        for several in (2, 3):
            shown = context == several
            places = SIZE[several] * random.random(int(shown.sum())) ** SKEW[several]
            code[shown] += places.astype(np.int64)
        split = int(np.searchsorted(session, labelled))
        for file, part in ((self.clicks, slice(0, split)), (self.test, slice(split, None))):
            file.write(
                number[session[part]],
                stamps(time[part]),
                self.catalogue.item[item[part]],
                words(POOL, code[part]),
            )
        rows = np.flatnonzero(after.bought_session < labelled)
        rows = rows[random.permutation(len(rows))]
        bought = after.bought_item[rows]
        known = random.random(len(rows)) >= FREE
        self.buys.write(
            number[after.bought_session[rows]],
            stamps(after.bought_time[rows]),
            self.catalogue.item[bought],
            pa.array((self.catalogue.price[bought] * known).astype(np.int64)),
            np.minimum(random.geometric(0.85, len(rows)), 30) * known,
        )

    def finish(self, random: np.random.Generator) -> None:
        """Nothing is left to write."""
