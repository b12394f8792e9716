"""The simulated shop whose visitors return: its parameters, its log, and what the oracle needs.

A visitor has a leaning to buy and a favourite category. Both are hidden and never change. The cart is seen in
the log: it holds something from a cart event until the next purchase, across sessions. At the start of each
session a hidden intention is drawn by the leaning and the cart. The log is one table, events.csv, with a row
per event. No published log has this layout.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import model_validator

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.artifacts.data import RawFiles
from rabbithole.errors import UserError
from rabbithole.simulator.chain import DAY, HOUR
from rabbithole.simulator.shop import Floats, Ints, Matrix, Vector, milliseconds, random_stream
from rabbithole.specs.data import SimulateSpec

Bools = NDArray[np.bool_]


class ReturningShop(Record):
    """The parameters: L leanings, the categories, 2 intentions (none, to buy), 2 carts (empty, full).

    A session's intention is to buy with probability `intends[leaning][cart]`. Each event is a view, or with
    probability `carts[intention]` an add-to-cart. It shows the favourite category with probability
    `favourite[intention]`, else any category. After the event the visitor buys with probability
    `buy[intention][cart]`, or ends the session with probability `leave[intention]`. After a session the
    visitor returns with probability `returns[leaning]`, after a pause that is lognormal with median
    `pause_median[leaning]` hours and standard deviation `pause_sigma` of its logarithm, beyond `gap` hours.

    Raises `pydantic.ValidationError`, a ValueError, when the parameters are not a model.
    """

    leaning: Vector = (0.6, 0.3, 0.1)
    categories: int = 6
    intends: Matrix = ((0.04, 0.07), (0.08, 0.14), (0.16, 0.24))
    carts: Vector = (0.03, 0.25)
    favourite: Vector = (0.35, 0.7)
    buy: Matrix = ((0.001, 0.004), (0.03, 0.16))
    leave: Vector = (0.34, 0.2)
    returns: Vector = (0.55, 0.7, 0.8)
    pause_median: Vector = (150.0, 90.0, 40.0)
    pause_sigma: float = 1.0
    gap: float = 0.5

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        """Check the shapes, and that probabilities are probabilities."""
        levels = len(self.leaning)
        shapes = {"intends": (levels, 2), "carts": (2,), "favourite": (2,), "buy": (2, 2), "leave": (2,)}
        shapes |= {"returns": (levels,), "pause_median": (levels,)}
        for name, shape in shapes.items():
            if (actual := np.array(getattr(self, name)).shape) != shape:
                raise ValueError(f"{name} has the shape {actual}, not {shape}")
        for name in ("leaning", "intends", "carts", "favourite", "buy", "leave", "returns"):
            values = np.array(getattr(self, name))
            if values.min() < 0 or values.max() > 1:
                raise ValueError(f"{name} holds a value that is no probability")
        if not np.isclose(sum(self.leaning), 1, rtol=0, atol=1e-9):
            raise ValueError(f"leaning sums to {sum(self.leaning):.6g}, not to 1")
        if (np.array(self.buy) + np.array(self.leave)[:, None]).max() > 1:
            raise ValueError("buy + leave is more than 1 for an intention")
        if max(self.returns) == 1:
            raise ValueError("returns holds 1: a visitor would return for ever")
        return self


@dataclass(frozen=True)
class Visits:
    """Sessions of visitors, each visitor's one after another, and their events end to end.

    visitor: of each session; offsets: session i has the events offsets[i]:offsets[i + 1]; pause: hours since
    the visitor's session before, nan for the first; full: whether the cart holds something at its start;
    buyer: whether a purchase ends it. cart, category: of each event. leaning: hidden, of each session's
    visitor.
    """

    visitor: Ints
    offsets: Ints
    pause: Floats
    full: Bools
    buyer: Bools
    cart: Bools
    category: Ints
    leaning: Ints


def draw_visits(shop: ReturningShop, visitors: int, rng: np.random.Generator) -> Visits:
    """Draw the sessions of a number of visitors, all up to the last return."""
    leaning = rng.choice(len(shop.leaning), visitors, p=shop.leaning)
    favourite = rng.integers(0, shop.categories, visitors)
    full = np.zeros(visitors, bool)
    number = 0
    sessions: list[tuple[Ints, Ints, Floats, Bools, Bools]] = []
    events: list[tuple[Ints, Ints, Ints, Bools, Ints]] = []
    active, pause = np.arange(visitors), np.full(visitors, np.nan)
    while len(active):
        bought, at_start = np.zeros(visitors, bool), full[active]
        probability = np.array(shop.intends)[leaning[active], full[active].astype(np.int64)]
        intention = np.zeros(visitors, np.int64)
        intention[active] = rng.random(len(active)) < probability
        running, place = active, 0
        while len(running):
            intent = intention[running]
            cart = rng.random(len(running)) < np.array(shop.carts)[intent]
            full[running] |= cart
            shown = rng.integers(0, shop.categories, len(running))
            liked = rng.random(len(running)) < np.array(shop.favourite)[intent]
            category = np.where(liked, favourite[running], shown)
            events.append(
                (running, np.full(len(running), number), np.full(len(running), place), cart, category)
            )
            buys = np.array(shop.buy)[intent, full[running].astype(np.int64)]
            chance = rng.random(len(running))
            bought[running] = chance < buys
            running = running[chance >= buys + np.array(shop.leave)[intent]]
            place += 1
        full[bought] = False
        sessions.append((active, np.full(len(active), number), pause, at_start, bought[active]))
        active = active[rng.random(len(active)) < np.array(shop.returns)[leaning[active]]]
        pause = draw_pauses(shop, leaning[active], rng)
        number += 1
    visitor, order_number, pauses, carried, buyer = (
        np.concatenate(part) for part in zip(*sessions, strict=True)
    )
    order = np.lexsort((order_number, visitor))
    of_visitor, of_number, places, carts, categories = (
        np.concatenate(part) for part in zip(*events, strict=True)
    )
    event_order = np.lexsort((places, of_number, of_visitor))
    starts = np.flatnonzero(places[event_order] == 0)
    return Visits(
        visitor[order],
        np.append(starts, len(places)),
        pauses[order],
        carried[order],
        buyer[order],
        carts[event_order],
        categories[event_order],
        leaning[visitor[order]],
    )


def draw_pauses(shop: ReturningShop, leaning: Ints, rng: np.random.Generator) -> Floats:
    """Draw the hours until the next session of visitors with these leanings; at least the gap."""
    logarithm = shop.pause_sigma * rng.standard_normal(len(leaning))
    return np.asarray(shop.gap + np.array(shop.pause_median)[leaning] * np.exp(logarithm))


SHOP = ReturningShop()

BEGIN = milliseconds("2023-11-14T00:00:00")
DAYS = 120
ITEMS = 50
"""Items of a category. Which one is shown carries no signal."""

DWELL_MEDIAN, DWELL_MOST = 60_000, HOUR * 3 // 10
"""Milliseconds between events of a session, lognormal with a standard deviation of 1, without signal."""

CHECKOUT_MILLISECONDS = 60_000
"""Milliseconds from the last event to the purchase."""


class ReturningParameters(Artifact):
    """parameters.json: everything that the oracle needs. visits: the file of the visits beside it.

    prior: the shares of leanings and carts at the start of a session, [leanings, 2]. They have no closed
    form, so they are counted in the drawn sessions.
    """

    kind = "parameters of returning visitors"
    rule = "simulate"

    visitors: int
    seed: int
    visits: str
    prior: Matrix
    shop: ReturningShop


@dataclass(frozen=True)
class TimedVisits:
    """Visits with the milliseconds since 1970 of each event, and of each purchase (of buyers alone)."""

    visits: Visits
    time: Ints
    bought: Ints


def write_log(spec: SimulateSpec, folder: Path) -> None:
    """Write events.csv, parameters.json and visits.parquet of the number of visitors that the spec gives.

    Raises `UserError` when no session ends before the log does.
    """
    rng = random_stream(spec.seed, 0)
    timed = draw_times(draw_visits(SHOP, spec.sessions, rng), spec.sessions, rng)
    visits = timed.visits
    first, end = visits.offsets[:-1], visits.offsets[1:]
    kept = np.where(visits.buyer, timed.bought, timed.time[end - 1]) < BEGIN + DAYS * DAY
    if not kept.any():
        raise UserError(f"{spec.sessions} visitors make no session: simulate more.")
    write_events(timed, kept, folder / "events.csv", rng)
    # A session that the log does not hold is a visitor's last one, so the sessions before it are complete.
    columns = {
        "visitor": visits.visitor[kept],
        "start": timed.time[first[kept]],
        "pause": visits.pause[kept],
        "buyer": visits.buyer[kept],
    }
    event = np.repeat(kept, np.diff(visits.offsets))
    bounds = pa.array(np.append(0, np.cumsum(np.diff(visits.offsets)[kept])).astype(np.int32))
    for name in ("cart", "category"):
        columns[name] = pa.ListArray.from_arrays(bounds, pa.array(getattr(visits, name)[event]))
    pq.write_table(pa.table(columns), folder / "visits.parquet")
    prior = np.zeros((len(SHOP.leaning), 2))
    np.add.at(prior, (visits.leaning[kept], visits.full[kept].astype(np.int64)), 1 / kept.sum())
    ReturningParameters(
        visitors=spec.sessions, seed=spec.seed, visits="visits.parquet", prior=prior.tolist(), shop=SHOP
    ).write(folder / "parameters.json")


def draw_times(visits: Visits, visitors: int, rng: np.random.Generator) -> TimedVisits:
    """Draw when each event happened; a visitor's first session begins at any time of the log."""
    first, length = visits.offsets[:-1], np.diff(visits.offsets)
    session = np.repeat(np.arange(len(length)), length)
    dwell = DWELL_MEDIAN * np.exp(rng.standard_normal(len(session)))
    dwell = np.minimum(dwell, DWELL_MOST).astype(np.int64)
    opens = np.isnan(visits.pause)
    dwell[first] = np.ceil(np.nan_to_num(visits.pause) * HOUR).astype(np.int64)
    dwell[first[1:]] += np.where(opens[1:] | ~visits.buyer[:-1], 0, CHECKOUT_MILLISECONDS)
    elapsed = np.cumsum(dwell)
    origin = first[np.maximum.accumulate(np.where(opens, np.arange(len(opens)), 0))]
    begin = BEGIN + rng.integers(0, DAYS * DAY, visitors)
    time = (elapsed - elapsed[origin][session]) + begin[visits.visitor][session]
    return TimedVisits(visits, time, time[visits.offsets[1:] - 1] + CHECKOUT_MILLISECONDS)


def write_events(timed: TimedVisits, kept: Bools, path: Path, rng: np.random.Generator) -> None:
    """Write the events of the sessions `kept`, bool [sessions], and their purchases, in order of time."""
    visits = timed.visits
    session = np.repeat(np.arange(len(kept)), np.diff(visits.offsets))
    item = visits.category * ITEMS + rng.integers(0, ITEMS, len(session))
    rows, bought = np.flatnonzero(kept[session]), np.flatnonzero(visits.buyer & kept)
    last = visits.offsets[bought + 1] - 1
    view = np.where(visits.cart[rows], "addtocart", "view")
    columns = {
        "time": np.append(timed.time[rows], timed.bought[bought]),
        "visitor": np.append(visits.visitor[session[rows]], visits.visitor[bought]),
        "event": np.append(view, np.full(len(bought), "transaction")),
        "item": np.append(item[rows], item[last]),
        "category": np.append(visits.category[rows], visits.category[last]),
    }
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    csv.write_csv(table.sort_by([("time", "ascending"), ("visitor", "ascending")]), path)


def read_visits(parameters: Path) -> tuple[ReturningParameters, Visits, Ints]:
    """Read parameters.json and the visits beside it: both, and each session's start in milliseconds.

    The leanings and the carts at the start stay hidden: they are -1 and false.
    """
    RawFiles.check(parameters.parent)
    values = ReturningParameters.read(parameters)
    table = pq.read_table(parameters.with_name(values.visits)).combine_chunks()
    carts, categories = (table[name].combine_chunks() for name in ("cart", "category"))
    count = len(table)
    visits = Visits(
        table["visitor"].to_numpy(),
        carts.offsets.to_numpy().astype(np.int64),
        table["pause"].to_numpy(),
        np.zeros(count, bool),
        table["buyer"].to_numpy(),
        carts.flatten().to_numpy(zero_copy_only=False),
        categories.flatten().to_numpy(),
        np.full(count, -1),
    )
    return values, visits, table["start"].to_numpy()
