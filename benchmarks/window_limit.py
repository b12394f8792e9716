"""Measure how much of the oracle's knowledge is in a window, or in train, for a simulated log.

    python benchmarks/window_limit.py oracle-gap/results/yoochoose

The oracle knows each item's class, and whether the item is rare. A window shows less:

- the class by the item's category, if the log has one at that time (Retailrocket);
- otherwise by the item's price, if it is known (prices vary within a class), or not at all;
- an item without a code of its own may be rare or popular.

The first scorer knows about items only what a window shows. The second scorer also uses the sessions of
train: the prices and categories in them, and the shoppers who view an item, inferred from the other events of
their sessions.

Both know the simulator's parameters. A network has to learn these from the same sessions. So the second
scorer is an approximate upper bound for a model that is trained only on train.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from rabbithole.artifacts.data import EncoderFile
from rabbithole.simulator.catalogue import Catalogue, read_shop
from rabbithole.simulator.chain import clock_cells, forward, initial_table
from rabbithole.simulator.oracle import flatten, observe_sessions, session_tables
from rabbithole.simulator.posterior import (
    ObservedSessions,
    log_emission,
    posteriors_from_emission,
    purchase_posteriors,
)
from rabbithole.simulator.shop import Floats, Shop

Bools = NDArray[np.bool_]

WINDOW = 100

PASSES = 3
"""Passes over train. From the second one on, a session's other items help to recognise an item."""

ITEM_EMISSIONS = frozenset({"repeat", "rare", "tilt"})
"""The parts of `log_emission` that depend on the item."""


@dataclass(frozen=True)
class ItemKnowledge:
    """What is known about items without a window.

    log_likelihood: [items, classes], of each class; known: [items], where it contains what windows show.
    """

    log_likelihood: Floats
    known: Bools


@dataclass(frozen=True)
class Part:
    """Some sessions of a split.

    buyer: [n]. shown: [events, classes], probability of each class by what the window shows of the item.
    """

    sessions: ObservedSessions
    buyer: Bools
    shown: Floats


def main(
    results: Annotated[Path, typer.Argument(help="folder of a data set with raw, sessions and windows")],
) -> None:
    """Score the test sessions with all that the oracle knows, and with less; print AUC and log loss."""
    shop, catalogue = read_shop(results / "raw/parameters.json")
    vocabulary = EncoderFile.read(results / "windows/encoder.json").vocabularies["item"]
    coded = np.isin(catalogue.item.astype(str), vocabulary)
    by_window = ItemKnowledge(np.zeros((len(coded), shop.classes)), np.zeros(len(coded), bool))
    by_train = by_window
    for _ in range(PASSES):
        by_train = learn_items(shop, catalogue, results / "sessions", coded, by_train)
    scorers = {
        "true parameters; items as the window shows them": by_window,
        "true parameters; items as train and the window show them": by_train,
    }
    scores: dict[str, list[Floats]] = {name: [] for name in ("the oracle", *scorers)}
    labels = []
    for part in parts(shop, catalogue, results / "sessions", "test"):
        labels.append(part.buyer)
        scores["the oracle"].append(purchase_posteriors(shop, catalogue, part.sessions, WINDOW, []).ended)
        for name, items in scorers.items():
            emission = log_emission(shop, catalogue, part.sessions.events, ITEM_EMISSIONS)
            emission += log_items(shop, catalogue, part, items, coded)
            posteriors = posteriors_from_emission(shop, emission, part.sessions, WINDOW, [])
            scores[name].append(posteriors.ended)
    buyer = np.concatenate(labels)
    for name, columns in scores.items():
        score = np.concatenate(columns)
        print(f"{name}: AUC {roc_auc_score(buyer, score):.4f}, log loss {log_loss(buyer, score):.6f}")


def parts(shop: Shop, catalogue: Catalogue, sessions: Path, split: str) -> Iterator[Part]:
    """Yield the sessions of a split."""
    by_price = classes_by_price(shop, catalogue)
    for table in session_tables(sessions, split, keep_open=False, columns=["cost"]):
        observed = observe_sessions(shop, catalogue, table)
        item = observed.events.item
        shown = np.full((len(item), shop.classes), 1 / shop.classes)
        priced = flatten(table["cost"]).is_valid().to_numpy(zero_copy_only=False)
        shown[priced] = by_price[item[priced]]
        if not shop.contexts:
            # Without contexts, the category reveals the class.
            categorised = flatten(table["category"]).is_valid().to_numpy(zero_copy_only=False)
            item_class = catalogue.group[item[categorised]] % shop.classes
            shown[categorised] = np.eye(shop.classes)[item_class]
        buyer = table["buyer"].to_numpy(zero_copy_only=False).astype(bool)
        yield Part(observed, buyer, shown)


def classes_by_price(shop: Shop, catalogue: Catalogue) -> Floats:
    """Return the probability of each class of an item given only its price; [items, classes]."""
    deviation = np.log(catalogue.price / shop.price_median)[:, None] - shop.price_slope * shop.class_position
    weights = np.exp(-0.5 * (deviation / shop.price_sigma) ** 2)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def class_probabilities(part: Part, items: ItemKnowledge) -> Floats:
    """Return the probability of each class of each event's item; [events, classes]."""
    item = part.sessions.events.item
    logs, by_window = items.log_likelihood[item], ~items.known[item]
    with np.errstate(divide="ignore"):
        logs[by_window] += np.log(part.shown[by_window])
    return softmax(logs)


def softmax(logs: Floats) -> Floats:
    """Return exp(logs), scaled to sum to 1 per row."""
    weights = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def log_items(shop: Shop, catalogue: Catalogue, part: Part, items: ItemKnowledge, coded: Bools) -> Floats:
    """Return log P(item | state, previous item) by the probabilities of the item's classes; [events, S].

    coded: [items], which items have a code of their own. For these it is known whether they are rare.
    """
    events = part.sessions.events
    rare, repeat = np.array(shop.rare), np.array(shop.repeat)
    popular = (1 - rare) * (class_probabilities(part, items) @ shop.class_shares.T)
    is_rare, has_code = catalogue.group[events.item] >= shop.classes, coded[events.item]
    share_without_code = np.mean(~has_code[~is_rare])
    new = np.where(is_rare[:, None], rare / shop.classes, popular)
    new[~has_code] = popular[~has_code] * share_without_code + rare / shop.classes
    later, same = events.previous >= 0, events.previous == events.item
    new[later] *= 1 - repeat
    new[same] = new[same] * catalogue.share[events.item[same]][:, None] + repeat
    return np.asarray(np.log(new))


def learn_items(
    shop: Shop, catalogue: Catalogue, sessions: Path, coded: Bools, items: ItemKnowledge
) -> ItemKnowledge:
    """Return what train shows about the items with a code.

    Each view of an item counts by the shopper's state, inferred from the session's other events and its end.
    items: the result of an earlier pass, for the items of these other events.
    """
    log_views, views = np.zeros_like(items.log_likelihood), np.zeros(len(coded))
    class_views = np.zeros(shop.classes)
    shown, known = np.zeros_like(items.log_likelihood), np.zeros(len(coded), bool)
    for part in parts(shop, catalogue, sessions, "train"):
        events = part.sessions.events
        has_code = coded[events.item]
        clear = has_code & (part.shown.max(1) > 1.5 / shop.classes)
        with np.errstate(divide="ignore"):
            shown[events.item[clear]] = np.log(part.shown[clear])
        known[events.item[clear]] = True
        # A repeated view says something about the shopper, not about the item.
        new = has_code & (events.previous != events.item) & (catalogue.group[events.item] < shop.classes)
        classes = state_probabilities(shop, catalogue, part, items, coded)[new] @ shop.class_shares
        np.add.at(log_views, events.item[new], np.log(classes))
        views += np.bincount(events.item[new], minlength=len(views))
        class_views += classes.sum(0)
    # Without the classes' overall shares: it matters who views an item, not how often its class is viewed.
    overall = np.log(class_views / views.sum())
    return ItemKnowledge(log_views - views[:, None] * overall + shown, known)


def state_probabilities(
    shop: Shop, catalogue: Catalogue, part: Part, items: ItemKnowledge, coded: Bools
) -> Floats:
    """Return P(state | the session without this event's item, which is a new popular one); [events, S].

    The forward-backward algorithm: everything before and after the event, and how the session ended.
    """
    events, offsets = part.sessions.events, part.sessions.offsets
    length = np.diff(offsets)
    without_item = log_emission(shop, catalogue, events, ITEM_EMISSIONS)
    emission = without_item + log_items(shop, catalogue, part, items, coded)
    initial = initial_table(shop)[clock_cells(shop, part.sessions.start())]
    end = np.where(part.buyer[:, None], shop.buy, shop.leave)
    backwards = (offsets[:-1] + offsets[1:] - 1).repeat(length) - np.arange(len(emission))
    steps = range(1, int(length.max()) + 1)
    _, past = forward(initial, shop.continuation, emission, offsets, steps)
    _, future = forward(end, shop.continuation.T, emission[backwards], offsets, steps)
    before, after = initial.repeat(length, 0), end.repeat(length, 0)
    for step in steps[:-1]:
        index, weights = past[step]
        longer = length[index] > step
        before[offsets[index[longer]] + step] = weights[longer] @ shop.continuation
        after[offsets[index[longer] + 1] - 1 - step] = future[step][1][longer] @ shop.continuation.T
    with np.errstate(divide="ignore"):
        logs = without_item + np.log(before) + np.log(after) + np.log(1 - np.array(shop.rare))
    logs[events.previous >= 0] += np.log(1 - np.array(shop.repeat))
    return softmax(logs)


if __name__ == "__main__":
    typer.run(main)
