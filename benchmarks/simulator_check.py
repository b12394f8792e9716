"""Compare a simulated shop with published figures of the real shop, and measure how hard it is to predict.

    python benchmarks/simulator_check.py yoochoose --sessions 400000
    python benchmarks/simulator_check.py retailrocket --sessions 800000

Gradient boosting is trained on the oldest 80 % of the sessions, on aggregates that ignore the order, and on
the length only. All scores are for the newest 10 %, as in the default run. An AUC comes with a 95 % DeLong
interval from the drawn buyers. The expected AUC is over buyers redrawn from the oracle's probabilities, which
is less noisy. "Oracle without X" ignores the part X of the events.
"""

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.ensemble import HistGradientBoostingClassifier

from rabbithole.simulator.catalogue import Catalogue, make_catalogue
from rabbithole.simulator.chain import DAY, HOUR
from rabbithole.simulator.posterior import (
    EMISSIONS,
    ObservedEvents,
    ObservedSessions,
    PurchasePosteriors,
    purchase_posteriors,
)
from rabbithole.simulator.shop import Floats, Ints, Shop
from rabbithole.simulator.shoppers import Events, draw_events, make_samplers
from rabbithole.simulator.write import load_shop

Bools = NDArray[np.bool_]

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
"""Figures of the full logs. Retailrocket's lengths do not count transactions."""

WINDOW = 100


def observe(shop: Shop, events: Events) -> ObservedSessions:
    """Return drawn sessions as the oracle observes them."""
    offsets = events.paths.offsets
    previous = np.roll(events.item, 1)
    previous[offsets[:-1]] = -1
    context = np.where(events.time >= shop.context_from_ms, events.context, -1)
    observed = ObservedEvents(events.event_type, context, events.item, previous, events.dwell)
    return ObservedSessions(observed, offsets, events.time)


def aggregates(shop: Shop, catalogue: Catalogue, events: Events) -> Floats:
    """Return features that ignore the order of events: counts, dwell and cost statistics, hour, weekday."""
    offsets = events.paths.offsets
    first, length = offsets[:-1], np.diff(offsets)
    session = np.repeat(np.arange(len(length)), length)
    later = np.ones(len(session), bool)
    later[first] = False
    count = len(length)
    local = events.time[first] + shop.utc_offset_hours * HOUR
    columns = [length, local % DAY // HOUR, local // DAY % 7]
    for codes, names in ((events.event_type, shop.event_types), (events.context, shop.contexts)):
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


def expected_auc(score: Floats, probability: Floats) -> float:
    """Return the expected AUC of a score if each session buys with its probability; ties count half."""
    values, index = np.unique(score, return_inverse=True)
    positive = np.bincount(index, probability, len(values))
    negative = np.bincount(index, 1 - probability, len(values))
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


def delong(score: Floats, buyer: Bools) -> tuple[float, float, float]:
    """Return the AUC and its 95 % interval (DeLong 1988, by midranks)."""
    ranks, positive = rankdata(score), buyer.sum()
    negative = len(buyer) - positive
    of_buyers = (ranks[buyer] - rankdata(score[buyer])) / negative
    of_others = 1 - (ranks[~buyer] - rankdata(score[~buyer])) / positive
    half = norm.ppf(0.975) * np.sqrt(of_buyers.var(ddof=1) / positive + of_others.var(ddof=1) / negative)
    return float(of_buyers.mean()), float(of_buyers.mean() - half), float(of_buyers.mean() + half)


def boosting_scores(features: NDArray[np.number], buyer: Bools, train: Ints, test: Ints) -> Floats:
    """Return the purchase probabilities of the test sessions by gradient boosting fitted on train."""
    booster = HistGradientBoostingClassifier(
        learning_rate=0.08, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40, early_stopping=False
    )
    booster.fit(features[train], buyer[train])
    return np.asarray(booster.predict_proba(features[test])[:, 1])


def main(
    name: Annotated[str, typer.Argument(help="yoochoose or retailrocket", metavar="SHOP")],
    sessions: Annotated[int, typer.Option(help="sessions to simulate")] = 400_000,
    seed: Annotated[int, typer.Option(help="seed of all draws")] = 0,
    steps: Annotated[
        str, typer.Option(help="score running sessions after these numbers of events")
    ] = "1,3,10",
) -> None:
    """Simulate sessions in memory and print the figures."""
    shop, rng = load_shop(name).SHOP, np.random.default_rng(seed)
    catalogue = make_catalogue(shop, sessions, rng)
    events = draw_events(shop, make_samplers(shop, catalogue), sessions, rng)
    show_marginals(shop, events)

    observed = observe(shop, events)
    posteriors = purchase_posteriors(
        shop, catalogue, observed, WINDOW, [int(step) for step in steps.split(",")]
    )
    show_scores(shop, catalogue, events, observed, posteriors)
    for step, (index, score) in posteriors.running.items():
        buyer = events.paths.buyer[index]
        auc, low, high = delong(score, buyer)
        print(f"running after {step:3}: {len(index)} sessions, AUC {auc:.4f} ({low:.4f} to {high:.4f}), "
              f"mean {score.mean():.5f}, buyers {buyer.mean():.5f}")  # fmt: skip


def show_scores(
    shop: Shop,
    catalogue: Catalogue,
    events: Events,
    observed: ObservedSessions,
    posteriors: PurchasePosteriors,
) -> None:
    """Print how well the oracle and gradient boosting score ended sessions, and by length."""
    buyer, length, start = events.paths.buyer, np.diff(events.paths.offsets), observed.start()
    oldest, newest = np.quantile(start, [0.8, 0.9])
    train, test = np.flatnonzero(start < oldest), np.flatnonzero(start >= newest)
    probability = posteriors.ended[test]
    print(f"test: {len(test)} sessions, {buyer[test].sum()} buyers")
    print(f"mean predicted {posteriors.ended.mean():.5f}, buyers {buyer.mean():.5f}")

    capped = np.minimum(length, 60)[:, None]
    table = {
        "oracle": probability,
        "boosting on aggregates": boosting_scores(aggregates(shop, catalogue, events), buyer, train, test),
        "boosting on length only": boosting_scores(capped, buyer, train, test),
        "length only": length[test].astype(float),
    }
    idle = {"event_type": len(shop.event_types) == 1, "context": not shop.contexts}
    for part in EMISSIONS:
        if not idle.get(part, False):
            ignoring = purchase_posteriors(shop, catalogue, observed, WINDOW, [], frozenset([part]))
            table[f"oracle without {part}"] = ignoring.ended[test]
    for name, score in table.items():
        auc, low, high = delong(score, buyer[test])
        expected = expected_auc(score, probability)
        print(f"{name:26} AUC {auc:.4f} ({low:.4f} to {high:.4f}), expected {expected:.4f}")
    for low, high in ((1, 1), (2, 2), (3, 4), (5, 9), (10, 10**6)):
        mask = (length[test] >= low) & (length[test] <= high)
        oracle, boosting = (
            expected_auc(table[name][mask], probability[mask])
            for name in ("oracle", "boosting on aggregates")
        )
        share = probability[mask].sum() / probability.sum()
        print(f"  {low} to {high} events: {mask.mean():.3f} of sessions, {share:.3f} of buyers, "
              f"oracle {oracle:.4f}, boosting {boosting:.4f}")  # fmt: skip


def show_marginals(shop: Shop, events: Events) -> None:
    """Print figures of the simulated and the published log. Purchases and later events are excluded."""
    buyer, length = events.paths.buyer, np.diff(events.paths.offsets)
    gaps = events.dwell[events.dwell > 0]
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
        "carts % of events": 100 * (events.event_type == 1).mean(),
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
        shown = events.context[events.time >= shop.context_from_ms]
        facts["contexts %"] = np.round(100 * np.bincount(shown) / len(shown), 1).tolist()
    print(f"{'':30} {'published':28} simulated, {len(length)} sessions")
    for fact, value in facts.items():
        text = f"{value:.4g}" if isinstance(value, (float, np.floating)) else value
        print(f"{fact:30} {PUBLISHED[shop.format].get(fact, '-'):28} {text}")


if __name__ == "__main__":
    typer.run(main)
