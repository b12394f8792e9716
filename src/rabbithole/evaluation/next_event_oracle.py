"""How well the next events of a simulated log could be foretold at best."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.evaluation.next_event import NextEventMetrics
from rabbithole.io.atomic import read_json
from rabbithole.io.manifests import read_manifest
from rabbithole.simulator.catalogue import read_catalogue
from rabbithole.simulator.next_event import next_shares
from rabbithole.simulator.oracle import flat, read_sessions, sessions_of
from rabbithole.simulator.shop import Shop, from_json
from rabbithole.simulator.yoochoose import category_shares
from rabbithole.windows.next_events import END, IGNORED, NO_CATEGORY, PURCHASE, Classes, read_classes

Floats = NDArray[np.float64]


def evaluate_oracle(
    *,
    sessions: Path,
    parameters: Path,
    windows: Path,
    window: int,
    steps: list[int],
    keep_open: bool,
    output: Path,
) -> None:
    """Write next_event.json of the exact predictions on the test sessions of a simulated log.

    sessions: the folder of sessions; parameters: the simulator's; windows: whose encoder names the classes.
    Sessions are read from their first event on, up to `window` events, as models read them. What train never
    held is not asked for, and the rest of the classes share its probability. Raises `UserError` where the
    sessions are not the simulated ones.
    """
    read_manifest(sessions)
    told = read_json(parameters)
    shop, catalogue = from_json(told["shop"]), read_catalogue(parameters.with_name(told["items"]))
    items = pa.array(catalogue.item).cast(pa.string())
    classes, no_category = read_classes(windows), NextEventMetrics.no_category
    if shop.format != "yoochoose":
        classes = Classes(classes.events, ())
        no_category = f"the oracle of {shop.format} knows no categories"
    of_event, of_context = event_table(shop, classes), context_table(shop, classes)
    judgement, before = NextEventMetrics(classes, no_category), 0
    for table in sessions_of(sessions, "test", keep_open=keep_open):
        seen, offsets, time = read_sessions(shop, items, table)
        found = next_shares(shop, catalogue, seen, offsets, time, window)
        place = offsets[found.session] + found.step - 1
        asked = truth(table, offsets, place, found.step, window, classes)
        logs = log_shares(found.event @ of_event), log_shares(found.context @ of_context)
        judgement.add(before + found.session, found.step, asked, logs)
        before += len(table)
    judgement.write(output, steps)


def event_table(shop: Shop, classes: Classes) -> Floats:
    """Return which class each of the shop's outcomes is, [kinds + 2, classes], 1 or 0."""
    outcomes = [*shop.kinds, PURCHASE, END]
    return np.array([[float(outcome == name) for name in classes.events] for outcome in outcomes])


def context_table(shop: Shop, classes: Classes) -> Floats:
    """Return the share of each category in each of the shop's contexts, [contexts, classes]."""
    if not classes.categories:
        return np.zeros((len(shop.contexts), 0))
    words, shares = category_shares()
    names = [NO_CATEGORY if word == "0" else word for word in words]
    chosen = [names.index(name) if name in names else None for name in classes.categories]
    none = np.zeros(len(shares))
    return np.stack([none if place is None else shares[:, place] for place in chosen], axis=1)


def log_shares(weights: Floats) -> Floats:
    """Return the logarithms of weights that are made to sum to 1 a row."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights / weights.sum(1, keepdims=True)))


def truth(
    table: pa.Table,
    offsets: NDArray[np.int64],
    place: NDArray[np.int64],
    step: NDArray[np.int64],
    window: int,
    classes: Classes,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which classes came, from the sessions' own words; what `answers` says of the windows.

    place: which of all events each prediction follows; step: which of its session's.
    """
    kinds = pc.index_in(flat(table["event"]), value_set=pa.array(classes.events[:-2]))
    words = pc.fill_null(flat(table["category"]), NO_CATEGORY)
    categories = pc.index_in(words, value_set=pa.array(classes.categories, pa.string()))
    session = np.searchsorted(offsets, place, side="right") - 1
    last = place + 1 == offsets[session + 1]
    following = np.where(last, 0, place + 1)
    buyer = table["buyer"].to_numpy(zero_copy_only=False).astype(bool)[session]
    ending = np.where(buyer, len(classes.events) - 2, len(classes.events) - 1)
    event = np.where(last, ending, _codes(kinds)[following])
    category = np.where(last, IGNORED, _codes(categories)[following])
    beyond = ~last & (step == window)
    event[beyond] = category[beyond] = IGNORED
    return event, category


def _codes(places: pa.Array) -> NDArray[np.int64]:
    """Return places as numbers, `NOT_ASKED` where there is none."""
    return np.asarray(pc.fill_null(places, IGNORED).to_numpy(zero_copy_only=False), np.int64)
