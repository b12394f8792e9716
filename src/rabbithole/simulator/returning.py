"""The simulated shop whose visitors return: its log, and what the oracle needs.

The log is one table, events.csv, with a row per event. No published log has this layout.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from rabbithole.artifacts.base import Artifact
from rabbithole.artifacts.data import RawFiles
from rabbithole.errors import UserError
from rabbithole.simulator.chain import DAY, HOUR
from rabbithole.simulator.returning_visits import Bools, ReturningShop, Visits, draw_visits
from rabbithole.simulator.shop import Ints, Matrix, milliseconds, random_stream
from rabbithole.specs.data import SimulateSpec

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
    """Write events.csv, parameters.json and visits.parquet of so many visitors.

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
