"""The simulated Retailrocket: parameters fitted to its published figures, and its files.

`benchmarks/simulator_check.py` prints the simulated figures beside the published ones.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chunks import Chunk, CsvFile, take_names, write_chunks
from rabbithole.simulator.retailrocket_properties import write_properties
from rabbithole.simulator.shop import Ints, Shop
from rabbithole.simulator.shoppers import AfterPurchase, Events
from rabbithole.specs.data import SimulateSpec

DUPLICATES = 460 / 2_756_101
"""Share of the rows that are in the log twice."""

SHOP = Shop(
    format="retailrocket",
    states=("glance", "browse", "compare", "decide", "lost", "return", "robot"),
    begin="2015-05-03T03:00:00",
    end="2015-09-18T03:00:00",
    utc_offset_hours=-5,
    hour_weight=(
        *(3.6, 2.4, 1.5, 1.0, 0.8, 0.9, 1.3, 2.0, 3.0, 4.0, 4.8, 5.2),
        *(5.3, 5.2, 5.2, 5.3, 5.4, 5.5, 5.6, 5.9, 6.3, 6.4, 6.0, 4.9),
    ),
    weekday_weight=(1.1, 1.12, 1.1, 1.08, 1.0, 0.78, 0.82),
    initial=(0.745, 0.16, 0.045, 0.049975, 0.0, 0.0, 0.000025),
    initial_quarter=(
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
        (0.9, 1.1, 1.0, 1.0),
        (0.6, 1.2, 1.05, 0.9),
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
    ),
    initial_weekend=(1.0, 1.0, 1.0, 0.85, 1.0, 1.0, 1.0),
    initial_season=(1.0, 1.0, 1.0, 1.03, 1.0, 1.0, 1.0),
    transition=(
        (0.35, 0.4, 0.05, 0.05, 0.0, 0.15, 0.0),
        (0.0, 0.46, 0.3, 0.08, 0.0, 0.16, 0.0),
        (0.0, 0.1, 0.53, 0.27, 0.0, 0.1, 0.0),
        (0.0, 0.0, 0.0, 0.25, 0.7, 0.05, 0.0),
        (0.0, 0.0, 0.0, 0.02, 0.9, 0.08, 0.0),
        (0.0, 0.45, 0.25, 0.08, 0.17, 0.05, 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    ),
    buy=(0.0002, 0.0003, 0.001, 0.051, 0.0002, 0.0005, 0.0),
    leave=(0.87, 0.36, 0.26, 0.1, 0.27, 0.42, 0.0005),
    event_types=("view", "addtocart"),
    event_emission=(
        (0.999, 0.001),
        (0.995, 0.005),
        (0.975, 0.025),
        (0.8, 0.2),
        (0.98, 0.02),
        (0.99, 0.01),
        (0.998, 0.002),
    ),
    contexts=(),
    context_emission=(),
    context_from="2015-05-03T03:00:00",
    categories=(),
    category_skew=(),
    repeat=(0.2, 0.2, 0.23, 0.32, 0.22, 0.2, 0.05),
    rare=(0.2, 0.2, 0.2, 0.16, 0.2, 0.2, 0.4),
    tilt=(0.2, 0.4, 0.5, -1.5, 0.5, 0.1, 0.0),
    dwell_median=(70.0, 60.0, 50.0, 120.0, 55.0, 100_000.0, 20.0),
    dwell_sigma=(1.3, 1.3, 1.2, 1.0, 1.2, 1.4, 1.0),
    dwell_cap=14 * 86400.0,
    classes=24,
    full_sessions=1_407_580,
    full_popular=17_053,
    full_rare=400_000,
    zipf_shift=5.0,
    first_item=0,
    item_spacing=1,
    price_median=12_000.0,
    price_slope=1.5,
    price_sigma=0.3,
    price_step=120,
    bought_more=0.25,
    bought_unseen=0.1,
    buys_again=0.25,
    clicks_on=0.4,
    clicks_more=0.7,
)


class Writer:
    """Writes the four files; the events chunk by chunk."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the file of events, which the stack closes."""
        self.shop, self.catalogue, self.folder = shop, catalogue, folder
        names = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
        self.events = stack.enter_context(CsvFile(folder / "events.csv", names, header=True))
        self.transactions = 0

    def unlabelled(self, sessions: int) -> int:
        """Return 0: the log holds the buys of every visitor."""
        del sessions
        return 0

    def session_numbers(self, chunk: Chunk) -> Ints:
        """Return the numbers of a chunk's visitors, from 0."""
        return np.arange(chunk.first, chunk.first + chunk.labelled)

    def write(
        self, chunk: Chunk, numbers: Ints, events: Events, after: AfterPurchase, rng: np.random.Generator
    ) -> None:
        """Write a chunk's events in random order, a few of them twice."""
        del chunk
        sizes = np.diff(events.paths.offsets)
        session = np.concatenate(
            [np.repeat(np.arange(len(sizes)), sizes), after.session, after.bought_session]
        )
        time = np.concatenate([events.time, after.time, after.bought_time])
        item = np.concatenate([events.item, after.item, after.bought_item])
        bought = np.full(len(after.basket), len(self.shop.event_types))
        event_type = np.concatenate([events.event_type, after.event_type, bought])
        transaction = np.concatenate(
            [np.full(len(events.item) + len(after.item), -1), after.basket + self.transactions]
        )
        self.transactions += int(after.basket.max(initial=-1)) + 1
        twice = rng.integers(0, len(time), rng.binomial(len(time), DUPLICATES))
        order = rng.permutation(np.concatenate([np.arange(len(time)), twice]))
        transaction = transaction[order]
        self.events.write(
            time[order],
            numbers[session[order]],
            take_names([*self.shop.event_types, "transaction"], event_type[order]),
            self.catalogue.item[item[order]],
            pa.array(transaction, mask=transaction < 0),
        )

    def finish(self, rng: np.random.Generator) -> None:
        """Write the properties of all items and the category tree."""
        write_properties(self.shop, self.catalogue, self.folder, rng)


def write_log(spec: SimulateSpec, folder: Path) -> None:
    """Write a log with the number of sessions that the spec gives."""
    write_chunks(SHOP, Writer, spec, folder)
