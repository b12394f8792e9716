"""The files of Retailrocket: events, and what the shop knew of its items week by week."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rabbithole.simulate.aftermath import Aftermath
from rabbithole.simulate.catalogue import Catalogue
from rabbithole.simulate.properties import write_properties
from rabbithole.simulate.shop import Shop
from rabbithole.simulate.shoppers import Events
from rabbithole.simulate.text import Lines, words

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
