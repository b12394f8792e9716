"""The simulated YOOCHOOSE: parameters fitted to its published figures, and its files.

`benchmarks/simulator_check.py` prints the simulated figures beside the published ones. The files are clicks,
buys, and a test file of clicks only. They have no header.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from rabbithole.simulator.catalogue import Catalogue
from rabbithole.simulator.chunks import Chunk, CsvFile, format_times, take_names, write_chunks
from rabbithole.simulator.shop import Ints, Shop
from rabbithole.simulator.shoppers import AfterPurchase, Events
from rabbithole.specs.data import SimulateSpec

NUMBERS = tuple(str(number) for number in range(1, 13))
BRANDS = tuple(str(number) for number in np.random.default_rng(2014).integers(10**7, 2**31, 20))

WITHOUT_PRICE = 0.53
"""Share of bought rows whose price and quantity are written as 0."""

LABELLED_PER_TEST = 4
"""Labelled sessions for each session of the test file. So every fifth number is one of the test file."""

SHOP = Shop(
    format="yoochoose",
    states=("arrive", "browse", "compare", "decide", "lost", "wander"),
    begin="2014-04-01T03:00:00",
    end="2014-09-30T03:00:00",
    utc_offset_hours=2,
    hour_weight=(
        *(0.9, 0.4, 0.25, 0.2, 0.25, 0.7, 1.8, 3.2, 4.6, 5.6, 6.1, 6.0),
        *(5.8, 5.8, 5.7, 5.6, 5.5, 5.6, 6.2, 7.2, 7.6, 7.0, 5.0, 2.4),
    ),
    weekday_weight=(1.15, 1.0, 0.9, 0.9, 0.85, 0.9, 1.3),
    initial=(0.795, 0.1, 0.045, 0.04, 0.0, 0.02),
    initial_quarter=(
        (1.25, 0.95, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
        (0.8, 1.05, 1.0, 1.0),
        (0.6, 1.15, 1.05, 0.9),
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
    ),
    initial_weekend=(1.0, 1.1, 0.95, 0.9, 1.0, 1.1),
    initial_season=(1.0, 1.0, 1.0, 1.02, 1.0, 1.0),
    transition=(
        (0.0, 0.65, 0.2, 0.08, 0.03, 0.04),
        (0.0, 0.55, 0.33, 0.09, 0.0, 0.03),
        (0.0, 0.2, 0.52, 0.28, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.4, 0.6, 0.0),
        (0.0, 0.0, 0.0, 0.02, 0.98, 0.0),
        (0.0, 0.0, 0.02, 0.0, 0.0, 0.98),
    ),
    buy=(0.001, 0.001, 0.0025, 0.162, 0.001, 0.0005),
    leave=(0.12, 0.5, 0.37, 0.12, 0.38, 0.07),
    event_types=("view",),
    event_emission=((1.0,),) * 6,
    contexts=("0", "S", "number", "brand"),
    context_emission=(
        (0.5, 0.36, 0.11, 0.03),
        (0.5, 0.33, 0.14, 0.03),
        (0.47, 0.17, 0.3, 0.06),
        (0.3, 0.1, 0.25, 0.35),
        (0.5, 0.33, 0.14, 0.03),
        (0.5, 0.2, 0.27, 0.03),
    ),
    context_from="2014-06-23T00:00:00",
    categories=(("0",), ("S",), NUMBERS, BRANDS),
    category_skew=(1.0, 1.0, 1.5, 2.0),
    repeat=(0.23, 0.23, 0.25, 0.32, 0.25, 0.23),
    rare=(0.03, 0.03, 0.03, 0.02, 0.03, 0.05),
    tilt=(0.1, 0.2, 0.1, -1.2, 0.3, 0.4),
    dwell_median=(60.0, 50.0, 33.0, 150.0, 50.0, 45.0),
    dwell_sigma=(1.2, 1.2, 1.1, 0.9, 1.2, 1.2),
    dwell_cap=4 * 3600.0,
    classes=24,
    full_sessions=9_249_729,
    full_popular=12_000,
    full_rare=40_739,
    zipf_shift=5.0,
    first_item=214_500_000,
    item_spacing=8,
    price_median=2500.0,
    price_slope=1.2,
    price_sigma=0.3,
    price_step=1,
    bought_more=0.55,
    bought_unseen=0.1,
    buys_again=0.0,
    clicks_on=0.3,
    clicks_more=0.5,
)


class Writer:
    """Writes the three files chunk by chunk; the unlabelled sessions are those of the test file."""

    def __init__(self, shop: Shop, catalogue: Catalogue, folder: Path, stack: ExitStack) -> None:
        """Open the files, which the stack closes."""
        self.shop, self.catalogue, self.categories = shop, catalogue, shop.category_names
        clicks = ["session", "timestamp", "item", "category"]
        buys = ["session", "timestamp", "item", "price", "quantity"]
        self.clicks = stack.enter_context(CsvFile(folder / "yoochoose-clicks.dat", clicks, header=False))
        self.test = stack.enter_context(CsvFile(folder / "yoochoose-test.dat", clicks, header=False))
        self.buys = stack.enter_context(CsvFile(folder / "yoochoose-buys.dat", buys, header=False))

    def unlabelled(self, sessions: int) -> int:
        """Return the number of sessions in the test file."""
        return sessions // LABELLED_PER_TEST

    def session_numbers(self, chunk: Chunk) -> Ints:
        """Return numbers that five does not divide, then those of the test file, which it divides."""
        labelled = np.arange(chunk.first, chunk.first + chunk.labelled)
        test = self.unlabelled(chunk.first) + np.arange(chunk.unlabelled)
        return np.concatenate(
            [labelled + labelled // LABELLED_PER_TEST + 1, (test + 1) * (LABELLED_PER_TEST + 1)]
        )

    def write(
        self, chunk: Chunk, numbers: Ints, events: Events, after: AfterPurchase, rng: np.random.Generator
    ) -> None:
        """Write a chunk: clicks grouped by session, buys of labelled sessions in random order."""
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
        category = self._draw_categories(np.where(time < self.shop.context_from_ms, 0, context), rng)
        split = int(np.searchsorted(session, chunk.labelled))
        for file, part in ((self.clicks, slice(0, split)), (self.test, slice(split, None))):
            file.write(
                numbers[session[part]],
                format_times(time[part]),
                self.catalogue.item[item[part]],
                take_names(self.categories, category[part]),
            )
        rows = np.flatnonzero(after.bought_session < chunk.labelled)
        rows = rows[rng.permutation(len(rows))]
        bought = after.bought_item[rows]
        priced = rng.random(len(rows)) >= WITHOUT_PRICE
        self.buys.write(
            numbers[after.bought_session[rows]],
            format_times(after.bought_time[rows]),
            self.catalogue.item[bought],
            pa.array((self.catalogue.price[bought] * priced).astype(np.int64)),
            np.minimum(rng.geometric(0.85, len(rows)), 30) * priced,
        )

    def _draw_categories(self, context: Ints, rng: np.random.Generator) -> Ints:
        """Draw a category of each event's context, as its position in `categories`."""
        sizes = np.array([len(names) for names in self.shop.categories])
        category = (np.cumsum(sizes) - sizes)[context]
        for number in np.flatnonzero(sizes > 1):
            shown = context == number
            position = sizes[number] * rng.random(int(shown.sum())) ** self.shop.category_skew[number]
            category[shown] += position.astype(np.int64)
        return category

    def finish(self, rng: np.random.Generator) -> None:
        """Write nothing: all lines belong to a chunk."""


def write_log(spec: SimulateSpec, folder: Path) -> None:
    """Write a log with the number of sessions that the spec gives."""
    write_chunks(SHOP, Writer, spec, folder)
