"""Shows what the simulator's fixed parameters give: marginals beside the published figures, and how hard
they are.

    python benchmarks/simulator_check.py yoochoose --sessions 400000
    python benchmarks/simulator_check.py retailrocket --sessions 800000

The oldest 80 % of the sessions train gradient boosting on order-free aggregates, and on the length alone;
everything is scored on the newest 10 %, as in the default run. AUCs come with a 95 % DeLong interval from
the drawn buyers, and as the expected value over buyers redrawn from the oracle's probabilities, which is the
less noisy figure. "without X" is the oracle that does not look at X.
"""

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.ensemble import HistGradientBoostingClassifier

from rabbithole.simulator.catalogue import Catalogue, make_catalogue
from rabbithole.simulator.chain import DAY, HOUR
from rabbithole.simulator.posterior import ObservedEvents, best_scores
from rabbithole.simulator.shop import Shop, milliseconds
from rabbithole.simulator.shoppers import Events, draw_events, prepare
from rabbithole.simulator.shops import SHOPS

Floats = NDArray[np.float64]
PUBLISHED: dict[str, dict[str, str]] = {
    "yoochoose": {
        "buyers %": "5.51", "length mean": "3.57", "length median": "2", "longest": "200",
        "repeats % of later events": "about 25", "first event": "2014-04-01", "last event": "2014-09-30",
        "items seen": "52739 in 9,249,729 sessions",
    },
    "retailrocket": {
        "buyers %": "0.83", "length mean": "1.94", "one event %": "71", "carts % of events": "2.5",
        "longest": "7757", "first event": "2015-05-03", "last event": "2015-09-18",
        "items seen": "235061 in 1,407,580 visitors",
    },
}  # fmt: skip
"""Figures of the full logs; Retailrocket's lengths without transactions."""

WINDOW = 100


def seen_of(shop: Shop, events: Events) -> ObservedEvents:
    """Bring drawn events into the oracle's form."""
    before = np.empty_like(events.item)
    before[1:] = events.item[:-1]
    before[events.paths.offsets[:-1]] = -1
    context = np.where(events.time >= milliseconds(shop.context_from), events.context, -1)
    return ObservedEvents(events.kind, context, events.item, before, events.dwell)


def aggregates(shop: Shop, catalogue: Catalogue, events: Events) -> Floats:
    """Return what a session holds whatever its order: counts, dwell and cost summaries, hour, weekday."""
    offsets = events.paths.offsets
    first, length = offsets[:-1], np.diff(offsets)
    session = np.repeat(np.arange(len(length)), length)
    later = np.ones(len(session), bool)
    later[first] = False
    count = len(length)
    local = events.time[first] + shop.clock_hours * HOUR
    columns = [length, local % DAY // HOUR, local // DAY % 7]
    for codes, names in ((events.kind, shop.kinds), (events.context, shop.contexts)):
        columns += [np.bincount(session[codes == code], minlength=count) for code in range(len(names))]
    pairs = np.unique(session.astype(np.int64) << 32 | events.item)
    columns.append(np.bincount(pairs >> 32, minlength=count))
    same = np.flatnonzero(later & (events.item == np.roll(events.item, 1)))
    columns.append(np.bincount(session[same], minlength=count))
    dwell = np.where(later, np.log1p(events.dwell / 1000), 0)
    mean = np.bincount(session, dwell) / np.maximum(length - 1, 1)
    square = np.bincount(session, dwell**2) / np.maximum(length - 1, 1)
    low = np.minimum.reduceat(np.where(later, dwell, np.inf), first)
    columns += [
        np.where(length > 1, mean, np.nan),
        np.where(length > 1, np.sqrt(np.maximum(square - mean**2, 0)), np.nan),
        np.where(length > 1, low, np.nan),
        np.where(length > 1, np.maximum.reduceat(dwell, first), np.nan),
    ]
    cost = np.log(catalogue.price)[events.item]
    columns += [
        np.add.reduceat(cost, first) / length,
        np.minimum.reduceat(cost, first),
        np.maximum.reduceat(cost, first),
    ]
    return np.column_stack(columns)


def expected_auc(score: Floats, chance: Floats) -> float:
    """Return the AUC of a score when each session buys with its own chance; ties count half."""
    values, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, chance, len(values))
    negative = np.bincount(place, 1 - chance, len(values))
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


def delong(score: Floats, buyer: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the AUC and its 95 % interval (DeLong 1988, by midranks)."""
    ranks, positive = rankdata(score), buyer.sum()
    negative = len(buyer) - positive
    ours = (ranks[buyer] - rankdata(score[buyer])) / negative
    theirs = 1 - (ranks[~buyer] - rankdata(score[~buyer])) / positive
    half = norm.ppf(0.975) * np.sqrt(ours.var(ddof=1) / positive + theirs.var(ddof=1) / negative)
    return float(ours.mean()), float(ours.mean() - half), float(ours.mean() + half)


def boosted(
    features: NDArray[np.number],
    buyer: NDArray[np.bool_],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> Floats:
    """Return the chances of the test sessions by gradient boosting fitted on train."""
    booster = HistGradientBoostingClassifier(
        learning_rate=0.08, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40, early_stopping=False
    )
    booster.fit(features[train], buyer[train])
    return np.asarray(booster.predict_proba(features[test])[:, 1])


def main(
    shop: Annotated[str, typer.Argument(help="yoochoose or retailrocket")],
    sessions: Annotated[int, typer.Option(help="sessions to simulate")] = 400_000,
    seed: Annotated[int, typer.Option(help="seed of all draws")] = 0,
    steps: Annotated[
        str, typer.Option(help="score running sessions after these numbers of events")
    ] = "1,3,10",
) -> None:
    """Simulate in memory and print the figures."""
    model, random = SHOPS[shop], np.random.default_rng(seed)
    catalogue = make_catalogue(model, sessions, random)
    events = draw_events(model, prepare(model, catalogue), sessions, random)
    offsets, buyer = events.paths.offsets, events.paths.buyer
    length = np.diff(offsets)
    gaps = events.dwell[events.dwell > 0]
    show_marginals(shop, model, events, length, buyer, gaps)

    seen, start = seen_of(model, events), events.time[offsets[:-1]]
    wanted = [int(step) for step in steps.split(",")]
    best = best_scores(model, catalogue, seen, offsets, start, WINDOW, wanted)
    oldest, newest = np.quantile(start, [0.8, 0.9])
    train, test = np.flatnonzero(start < oldest), np.flatnonzero(start >= newest)
    chance = best.ended[test]
    print(f"test: {len(test)} sessions, {buyer[test].sum()} buyers")
    print(f"mean predicted {best.ended.mean():.5f}, buyers {buyer.mean():.5f}")

    capped = np.minimum(length, 60)[:, None]
    table = {
        "oracle": chance,
        "boosting on aggregates": boosted(aggregates(model, catalogue, events), buyer, train, test),
        "boosting on length alone": boosted(capped, buyer, train, test),
        "length alone": length[test].astype(float),
    }
    for part in ("kind", "context", "repeat", "rare", "tilt", "dwell"):
        if (part == "kind" and len(model.kinds) == 1) or (part == "context" and not model.contexts):
            continue
        blind = best_scores(model, catalogue, seen, offsets, start, WINDOW, [], frozenset([part]))
        table[f"oracle without {part}"] = blind.ended[test]
    for name, score in table.items():
        auc, low, high = delong(score, buyer[test])
        expected = expected_auc(score, chance)
        print(f"{name:26} AUC {auc:.4f} ({low:.4f} to {high:.4f}), expected {expected:.4f}")
    for low, high in ((1, 1), (2, 2), (3, 4), (5, 9), (10, 10**6)):
        part = (length[test] >= low) & (length[test] <= high)
        expected = [
            expected_auc(table[name][part], chance[part]) for name in ("oracle", "boosting on aggregates")
        ]
        held = chance[part].sum() / chance.sum()
        print(f"  {low} to {high} events: {part.mean():.3f} of sessions, {held:.3f} of buyers, "
              f"oracle {expected[0]:.4f}, boosting {expected[1]:.4f}")  # fmt: skip
    for k, (which, score) in best.running.items():
        auc, low, high = delong(score, buyer[which])
        print(f"running after {k:3}: {len(which)} sessions, AUC {auc:.4f} ({low:.4f} to {high:.4f}), "
              f"mean {score.mean():.5f}, buyers {buyer[which].mean():.5f}")  # fmt: skip


def show_marginals(
    name: str,
    shop: Shop,
    events: Events,
    length: NDArray[np.int64],
    buyer: NDArray[np.bool_],
    gaps: NDArray[np.int64],
) -> None:
    """Print what can be held against the published figures (before purchases and what follows them)."""
    first, last = (
        str(np.datetime64(int(moment), "ms"))[:10] for moment in (events.time.min(), events.time.max())
    )
    facts = {
        "buyers %": 100 * buyer.mean(),
        "length mean": length.mean(),
        "length median": np.median(length),
        "one event %": 100 * (length == 1).mean(),
        "one event % of buyers": 100 * (length[buyer] == 1).mean(),
        "length quantiles .9 .99 .999": np.quantile(length, [0.9, 0.99, 0.999]).tolist(),
        "longest": length.max(),
        "carts % of events": 100 * (events.kind == 1).mean(),
        "gaps over 30 min %": 100 * (gaps > 30 * 60_000).mean(),
        "gap median s": np.median(gaps) / 1000,
        "repeats % of later events": 100 * (events.item[1:] == events.item[:-1])[events.dwell[1:] > 0].mean(),
        "first event": first,
        "last event": last,
        "items seen": len(np.unique(events.item)),
        "states % of events": np.round(
            100 * np.bincount(events.paths.state) / len(events.paths.state), 1
        ).tolist(),
    }
    if shop.contexts:
        shown = events.context[events.time >= milliseconds(shop.context_from)]
        facts["contexts %"] = np.round(100 * np.bincount(shown) / len(shown), 1).tolist()
    print(f"{'':30} {'published':28} simulated, {len(length)} sessions")
    for fact, value in facts.items():
        told = f"{value:.4g}" if isinstance(value, (float, np.floating)) else value
        print(f"{fact:30} {PUBLISHED[name].get(fact, '-'):28} {told}")


if __name__ == "__main__":
    typer.run(main)
