"""Shows how much of what the oracle knows stands in a window at all, for a simulated log.

    python benchmarks/window_limit.py limit/results/yoochoose

The oracle is told each item's class, and whether it is a rare one. A window shows less: the class by the
item's category where the log gives one at that time (Retailrocket), else by its price where that is known
(prices within a class vary), else not at all; and an item without a code of its own may be rare or popular.
The test sessions are scored as the oracle scores them, with the mean over what the window leaves open, item
by item. What other sessions tell of an item is left out, so that this is no bound for a network, which learns
from them; it tells where the rest of the way to the oracle must come from.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from rabbithole.files import read_json
from rabbithole.simulate import oracle
from rabbithole.simulate.catalogue import Catalogue, read_catalogue
from rabbithole.simulate.emission import Seen, log_emission
from rabbithole.simulate.scores import best_scores, scores_from
from rabbithole.simulate.shop import Shop, from_json

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
WINDOW = 100
ITEMS = frozenset({"repeat", "rare", "tilt"})
"""What an item tells, in the words of `log_emission`."""


def main(
    results: Annotated[Path, typer.Argument(help="a data set's folder with raw, sessions and windows")],
) -> None:
    """Score the test sessions with all that the oracle knows and with what windows show; print both."""
    oracle.COLUMNS.append("cost")
    told = read_json(results / "raw/parameters.json")
    shop, catalogue = from_json(told["shop"]), read_catalogue(results / "raw" / told["items"])
    coded = np.isin(
        catalogue.item.astype(str), read_json(results / "windows/encoder.json")["vocabularies"]["item"]
    )
    classes, items = classes_by_price(shop, catalogue), pa.array(catalogue.item).cast(pa.string())
    found: dict[str, list[Floats]] = {"the oracle": [], "what a window shows": []}
    labels = []
    for table in oracle.test_sessions(results / "sessions", keep_open=False):
        seen, offsets, time = oracle.read_sessions(shop, items, table)
        start = time[offsets[:-1]]
        given = {
            name: ~oracle.flat(table[name]).is_null().to_numpy(zero_copy_only=False)
            for name in ("category", "cost")
        }
        shown = np.full((len(seen.item), shop.classes), 1 / shop.classes)
        shown[given["cost"]] = classes[seen.item[given["cost"]]]
        if not shop.contexts:
            shown[given["category"]] = np.eye(shop.classes)[
                catalogue.group[seen.item[given["category"]]] % shop.classes
            ]
        emission = log_emission(shop, catalogue, seen, ITEMS) + log_items(shop, catalogue, seen, shown, coded)
        found["the oracle"].append(best_scores(shop, catalogue, seen, offsets, start, WINDOW, []).ended)
        found["what a window shows"].append(scores_from(shop, emission, offsets, start, WINDOW, []).ended)
        labels.append(table["buyer"].to_numpy(zero_copy_only=False).astype(np.int8))
    buyer = np.concatenate(labels)
    for name, parts in found.items():
        score = np.concatenate(parts)
        print(f"{name}: AUC {roc_auc_score(buyer, score):.4f}, log loss {log_loss(buyer, score):.6f}")


def classes_by_price(shop: Shop, catalogue: Catalogue) -> Floats:
    """Return each item's chances of being of each class, given its price alone; [items, classes]."""
    away = np.log(catalogue.price / shop.price_middle)[:, None] - shop.price_slope * shop.class_position
    chances = np.exp(-0.5 * (away / shop.price_spread) ** 2)
    return np.asarray(chances / chances.sum(1, keepdims=True))


def log_items(shop: Shop, catalogue: Catalogue, seen: Seen, shown: Floats, coded: Bools) -> Floats:
    """Return log P(item | state) as `emission.log_items` does, but by the chances `shown` [events, classes].

    coded: which items have a code of their own; of these it is taken to be known whether they are rare.
    """
    rare, repeat = np.array(shop.rare), np.array(shop.repeat)
    popular = (1 - rare) * (shown @ shop.class_shares.T)
    is_rare, own = catalogue.group[seen.item] >= shop.classes, coded[seen.item]
    hidden = np.mean(~own[~is_rare])
    new = np.where(is_rare[:, None], rare / shop.classes, popular)
    new[~own] = popular[~own] * hidden + rare / shop.classes
    later, same = seen.before >= 0, seen.before == seen.item
    new[later] *= 1 - repeat
    new[same] = new[same] * catalogue.share[seen.item[same]][:, None] + repeat
    return np.asarray(np.log(new))


if __name__ == "__main__":
    typer.run(main)
