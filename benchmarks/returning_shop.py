"""Write the log of a simulated shop whose visitors return, and the best possible score of each session.

    python benchmarks/returning_shop.py FOLDER --visitors 20000

FOLDER gets events.csv (time, visitor, event, item, category: one row per event, for `format: table`) and
oracle.csv (visitor, start, buyer, and P(buyer) of the ended session with the sessions before, and of this one
alone). A pause above 30 minutes separates sessions. The script prints both AUCs for all sessions and for the
newest 10 %.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import typer
from sklearn.metrics import roc_auc_score

from rabbithole.simulator.returning import ReturningShop, draw_visits
from rabbithole.simulator.returning_posterior import session_posteriors, visit_posteriors

HOUR = 3_600_000
BEGIN = 1_700_000_000_000
SPAN = 120 * 24 * HOUR
ITEMS = 50
"""Items of a category; which one is shown carries no signal."""


def main(
    folder: Annotated[Path, typer.Argument(help="folder of the two files, which is made")],
    visitors: Annotated[int, typer.Option(help="visitors to draw")] = 20_000,
    seed: Annotated[int, typer.Option(help="seed of all draws")] = 0,
) -> None:
    """Write the log and the scores, and print the AUCs."""
    shop, rng = ReturningShop(), np.random.default_rng(seed)
    visits = draw_visits(shop, visitors, rng)
    first, length = visits.offsets[:-1], np.diff(visits.offsets)
    session = np.repeat(np.arange(len(length)), length)

    # Times: dwell within the session stays below the gap and carries no signal. The purchase is one more row.
    dwell = np.minimum(60_000 * np.exp(rng.standard_normal(len(session))), 0.3 * HOUR).astype(np.int64)
    opens = np.isnan(visits.pause)
    dwell[first] = np.where(opens, 0, np.nan_to_num(visits.pause) * HOUR).astype(np.int64)
    checkout = np.where(visits.buyer, 60_000, 0)
    dwell[first[1:]] += np.where(opens[1:], 0, checkout[:-1])
    elapsed = np.cumsum(dwell)
    begin = BEGIN + rng.integers(0, SPAN, visitors)[visits.visitor]
    origin = first[np.maximum.accumulate(np.where(opens, np.arange(len(opens)), 0))]
    time = elapsed - elapsed[origin][session] + begin[session]
    last = time[visits.offsets[1:] - 1] + checkout
    kept = last < BEGIN + SPAN  # sessions that ended before the log did

    item = visits.category * ITEMS + rng.integers(0, ITEMS, len(session))
    bought = np.flatnonzero(visits.buyer & kept)
    rows, ends = np.flatnonzero(kept[session]), visits.offsets[bought + 1] - 1
    event = np.where(visits.cart[rows], "addtocart", "view")
    columns = {
        "time": np.append(time[rows], last[bought]),
        "visitor": np.append(visits.visitor[session[rows]], visits.visitor[bought]),
        "event": np.append(event, np.full(len(bought), "transaction")),
        "item": np.append(item[rows], item[ends]),
        "category": np.append(visits.category[rows], visits.category[ends]),
    }
    folder.mkdir(parents=True)
    log = pa.table({name: pa.array(column) for name, column in columns.items()})
    csv.write_csv(log.sort_by([("time", "ascending"), ("visitor", "ascending")]), folder / "events.csv")

    # The shares of leanings and carts at the start of a session have no closed form: they are counted in the
    # drawn sessions.
    prior = np.zeros((len(shop.leaning), 2))
    np.add.at(prior, (visits.leaning[kept], visits.full[kept].astype(np.int64)), 1 / kept.sum())
    known, alone = visit_posteriors(shop, visits).ended, session_posteriors(shop, visits, prior).ended
    scores = {"visitor": visits.visitor, "start": time[first], "buyer": visits.buyer}
    scores |= {"with_history": known, "session_alone": alone}
    csv.write_csv(
        pa.table({name: pa.array(part[kept]) for name, part in scores.items()}), folder / "oracle.csv"
    )

    newest = kept & (time[first] >= np.quantile(time[first][kept], 0.9))
    print(f"{kept.sum()} sessions, {visits.buyer[kept].mean():.4f} buyers")
    for name, part in (("all", kept), ("newest 10 %", newest)):
        with_history, without = (roc_auc_score(visits.buyer[part], score[part]) for score in (known, alone))
        print(f"{name}: oracle with history AUC {with_history:.4f}, of the session alone {without:.4f}")


if __name__ == "__main__":
    typer.run(main)
