"""Shows how much of what the oracle knows stands in a window, or in train, at all, for a simulated log.

    python benchmarks/window_limit.py limit/results/yoochoose

The oracle is told each item's class, and whether it is a rare one. A window shows less: the class by the
item's category where the log gives one at that time (Retailrocket), else by its price where that is known
(prices within a class vary), else not at all; and an item without a code of its own may be rare or popular.
A second reader knows of items what a window shows, and a third what train's sessions tell of them besides:
a price or a category that any of them shows, and by what shoppers an item is looked at, as their other events
tell of them. All know the simulator's parameters, which a network has to learn too, from the same sessions:
so the third is about what a model could reach that has seen no more than train.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from rabbithole.io.atomic import read_json
from rabbithole.simulator.catalogue import Catalogue, read_catalogue
from rabbithole.simulator.chain import clock_cells, forward, initial_table
from rabbithole.simulator.oracle import flat, read_sessions, sessions_of
from rabbithole.simulator.posterior import ObservedEvents, best_scores, log_emission, scores_from
from rabbithole.simulator.shop import Shop, from_json

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
WINDOW = 100
ROUNDS = 3
"""Passes over train: what is known of the other items of a session tells of an item."""

ITEMS = frozenset({"repeat", "rare", "tilt"})
"""What an item tells, in the words of `log_emission`."""


@dataclass(frozen=True)
class Known:
    """What is known of items without a window.

    logs: [items, classes], log likelihoods of each class; told: [items], where they hold what windows show.
    """

    logs: Floats
    told: Bools


@dataclass(frozen=True)
class Part:
    """Some sessions: their events, where each begins, its start, who bought, and what is shown of the items.

    offsets: [n + 1]; start: [n], milliseconds; buyer: [n]; shown: [events, classes], chances of each class.
    """

    seen: ObservedEvents
    offsets: Ints
    start: Ints
    buyer: Bools
    shown: Floats


def main(
    results: Annotated[Path, typer.Argument(help="a data set's folder with raw, sessions and windows")],
) -> None:
    """Score the test sessions with all that the oracle knows, and with less; print how good that is."""
    told = read_json(results / "raw/parameters.json")
    shop, catalogue = from_json(told["shop"]), read_catalogue(results / "raw" / told["items"])
    coded = np.isin(
        catalogue.item.astype(str), read_json(results / "windows/encoder.json")["vocabularies"]["item"]
    )
    nothing = Known(np.zeros((len(coded), shop.classes)), np.zeros(len(coded), bool))
    learned = nothing
    for _ in range(ROUNDS):
        learned = told_by_train(shop, catalogue, results / "sessions", coded, learned)
    found: dict[str, list[Floats]] = {}
    labels = []
    for part in parts(shop, catalogue, results / "sessions", "test"):
        labels.append(part.buyer)
        best = best_scores(shop, catalogue, part.seen, part.offsets, part.start, WINDOW, []).ended
        found.setdefault("the oracle", []).append(best)
        for name, known in (("what a window shows", nothing), ("and what train tells of items", learned)):
            emission = log_emission(shop, catalogue, part.seen, ITEMS)
            emission += log_items(shop, catalogue, part, known, coded)
            score = scores_from(shop, emission, part.offsets, part.start, WINDOW, []).ended
            found.setdefault(name, []).append(score)
    buyer = np.concatenate(labels)
    for name, scores in found.items():
        score = np.concatenate(scores)
        print(f"{name}: AUC {roc_auc_score(buyer, score):.4f}, log loss {log_loss(buyer, score):.6f}")


def parts(shop: Shop, catalogue: Catalogue, sessions: Path, split: str) -> Iterator[Part]:
    """Yield the sessions of a split."""
    classes, items = classes_by_price(shop, catalogue), pa.array(catalogue.item).cast(pa.string())
    for table in sessions_of(sessions, split, keep_open=False, more=["cost"]):
        seen, offsets, time = read_sessions(shop, items, table)
        given = {
            name: ~flat(table[name]).is_null().to_numpy(zero_copy_only=False) for name in ("category", "cost")
        }
        shown = np.full((len(seen.item), shop.classes), 1 / shop.classes)
        shown[given["cost"]] = classes[seen.item[given["cost"]]]
        if not shop.contexts:
            groups = catalogue.group[seen.item[given["category"]]]
            shown[given["category"]] = np.eye(shop.classes)[groups % shop.classes]
        buyer = table["buyer"].to_numpy(zero_copy_only=False).astype(bool)
        yield Part(seen, offsets, time[offsets[:-1]], buyer, shown)


def classes_by_price(shop: Shop, catalogue: Catalogue) -> Floats:
    """Return each item's chances of being of each class, given its price alone; [items, classes]."""
    away = np.log(catalogue.price / shop.price_middle)[:, None] - shop.price_slope * shop.class_position
    chances = np.exp(-0.5 * (away / shop.price_spread) ** 2)
    return np.asarray(chances / chances.sum(1, keepdims=True))


def chances_of(part: Part, known: Known) -> Floats:
    """Return the chances of the classes of each event's item, [events, classes]."""
    logs, by_window = known.logs[part.seen.item], ~known.told[part.seen.item]
    with np.errstate(divide="ignore"):
        logs[by_window] += np.log(part.shown[by_window])
    chances = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(chances / chances.sum(1, keepdims=True))


def log_items(shop: Shop, catalogue: Catalogue, part: Part, known: Known, coded: Bools) -> Floats:
    """Return log P(item | state) as `emission.log_items` does, but by the chances of its classes.

    coded: which items have a code of their own; of these it is taken to be known whether they are rare.
    """
    seen = part.seen
    rare, repeat = np.array(shop.rare), np.array(shop.repeat)
    popular = (1 - rare) * (chances_of(part, known) @ shop.class_shares.T)
    is_rare, own = catalogue.group[seen.item] >= shop.classes, coded[seen.item]
    hidden = np.mean(~own[~is_rare])
    new = np.where(is_rare[:, None], rare / shop.classes, popular)
    new[~own] = popular[~own] * hidden + rare / shop.classes
    later, same = seen.before >= 0, seen.before == seen.item
    new[later] *= 1 - repeat
    new[same] = new[same] * catalogue.share[seen.item[same]][:, None] + repeat
    return np.asarray(np.log(new))


def told_by_train(shop: Shop, catalogue: Catalogue, sessions: Path, coded: Bools, known: Known) -> Known:
    """Return what train tells of the items with a code.

    Each look at an item counts by the shopper's state, as the session's other events and its end tell it.
    known: what an earlier pass found, for the items of these other events.
    """
    looks, counts = np.zeros_like(known.logs), np.zeros(len(coded))
    shares = np.zeros(shop.classes)
    shown, told = np.zeros_like(known.logs), np.zeros(len(coded), bool)
    for part in parts(shop, catalogue, sessions, "train"):
        seen = part.seen
        ours = coded[seen.item]
        clear = ours & (part.shown.max(1) > 1.5 / shop.classes)
        with np.errstate(divide="ignore"):
            shown[seen.item[clear]] = np.log(part.shown[clear])
        told[seen.item[clear]] = True
        # Who looks at the same item again tells of himself, not of the item.
        new = ours & (seen.before != seen.item) & (catalogue.group[seen.item] < shop.classes)
        classes = states(shop, catalogue, part, known, coded)[new] @ shop.class_shares
        np.add.at(looks, seen.item[new], np.log(classes))
        counts += np.bincount(seen.item[new], minlength=len(counts))
        shares += classes.sum(0)
    # By whom an item of a class is looked at, not how often one is.
    return Known(looks - counts[:, None] * np.log(shares / counts.sum()) + shown, told)


def states(shop: Shop, catalogue: Catalogue, part: Part, known: Known, coded: Bools) -> Floats:
    """Return the chances of each state at each event, without its own item but that it is a new popular one.

    By all else of the session: the events before and after, and how it ended; [events, states].
    """
    seen, offsets, length = part.seen, part.offsets, np.diff(part.offsets)
    rest = log_emission(shop, catalogue, seen, ITEMS)
    whole = rest + log_items(shop, catalogue, part, known, coded)
    initial = initial_table(shop)[clock_cells(shop, part.start)]
    end = np.where(part.buyer[:, None], shop.buy, shop.leave)
    backwards = (offsets[:-1] + offsets[1:] - 1).repeat(length) - np.arange(len(whole))
    steps = list(range(1, int(length.max()) + 1))
    _, past = forward(initial, shop.running, whole, offsets, steps)
    _, future = forward(end, shop.running.T, whole[backwards], offsets, steps)
    before, after = initial.repeat(length, 0), end.repeat(length, 0)
    for step in steps[:-1]:
        which, weights = past[step]
        longer = length[which] > step
        before[offsets[which[longer]] + step] = weights[longer] @ shop.running
        after[offsets[which[longer] + 1] - 1 - step] = future[step][1][longer] @ shop.running.T
    with np.errstate(divide="ignore"):
        logs = rest + np.log(before) + np.log(after) + np.log(1 - np.array(shop.rare))
    logs[seen.before >= 0] += np.log(1 - np.array(shop.repeat))
    chances = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(chances / chances.sum(1, keepdims=True))


if __name__ == "__main__":
    typer.run(main)
