"""Evaluates the best possible predictions of the next events of a simulated log."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.evaluation.next_event import Floats, Ints, NextEventPredictions
from rabbithole.simulator.catalogue import read_shop
from rabbithole.simulator.oracle import flatten, observe_sessions, session_tables
from rabbithole.simulator.posterior import next_event_probabilities
from rabbithole.simulator.shop import Shop
from rabbithole.specs.data import OracleSpec
from rabbithole.windows.next_events import END, IGNORED, NO_CATEGORY, PURCHASE, Classes, read_classes


def evaluate_oracle(
    spec: OracleSpec, *, sessions: Path, parameters: Path, windows: Path, output: Path
) -> None:
    """Evaluate the exact predictions on the test sessions of a simulated log; write next_event.json.

    parameters: the simulator's parameters.json; windows: whose encoder names the classes. Sessions are read
    from their first event, up to the spec's window, as models read them. Classes that train lacks are
    ignored, and the others share their probability. Raises `UserError` where the sessions are not the
    simulated ones.
    """
    SessionsManifest.of(sessions)
    shop, catalogue = read_shop(parameters)
    classes = read_classes(windows)
    if shop.contexts:
        predictions = NextEventPredictions(classes)
    else:
        classes = Classes(classes.events, ())
        predictions = NextEventPredictions(classes, f"the oracle of {shop.format} does not model categories")
    event_classes, category_classes = event_table(shop, classes), category_table(shop, classes)
    count = 0
    for table in session_tables(sessions, "test", keep_open=spec.keep_open):
        observed = observe_sessions(shop, catalogue, table)
        exact = next_event_probabilities(shop, catalogue, observed, spec.window)
        position = observed.offsets[exact.session] + exact.step - 1
        actual = actual_classes(table, observed.offsets, position, exact.step, spec.window, classes)
        log_probabilities = (
            log_shares(exact.event @ event_classes),
            log_shares(exact.context @ category_classes),
        )
        predictions.add(count + exact.session, exact.step, actual, log_probabilities)
        count += len(table)
    predictions.metrics(spec.steps).write(output)


def event_table(shop: Shop, classes: Classes) -> Floats:
    """Return the class of each outcome in the shop, float64 [event types + 2, classes], 1 or 0."""
    outcomes = [*shop.event_types, PURCHASE, END]
    return np.array([[float(outcome == name) for name in classes.events] for outcome in outcomes])


def category_table(shop: Shop, classes: Classes) -> Floats:
    """Return the share of each category class in each of the shop's contexts, float64 [contexts, classes]."""
    if not classes.categories:
        return np.zeros((len(shop.contexts), 0))
    # The first category is the missing one.
    names, shares = [NO_CATEGORY, *shop.category_names[1:]], shop.category_shares
    absent = np.zeros(len(shares))
    columns = [shares[:, names.index(name)] if name in names else absent for name in classes.categories]
    return np.stack(columns, axis=1)


def log_shares(weights: Floats) -> Floats:
    """Return the logarithms of weights, scaled so that each row sums to 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights / weights.sum(1, keepdims=True)))


def actual_classes(
    table: pa.Table, offsets: Ints, position: Ints, step: Ints, window: int, classes: Classes
) -> tuple[Ints, Ints]:
    """Return the actual classes of next event and category, int64 [m], from the sessions' raw values.

    They are those of `next_event_labels`, without the encoder. offsets: int64 [n + 1], of the sessions;
    position: int64 [m], the event that a prediction follows, among all events; step: the same in its session.
    """
    events = pc.index_in(flatten(table["event"]), value_set=pa.array(classes.events[:-2]))
    names = pc.fill_null(flatten(table["category"]), NO_CATEGORY)
    categories = pc.index_in(names, value_set=pa.array(classes.categories, pa.string()))
    session = np.searchsorted(offsets, position, side="right") - 1
    last = position + 1 == offsets[session + 1]
    following = np.where(last, 0, position + 1)
    buyer = table["buyer"].to_numpy(zero_copy_only=False).astype(bool)[session]
    ending = np.where(buyer, len(classes.events) - 2, len(classes.events) - 1)
    event = np.where(last, ending, _known(events)[following])
    category = np.where(last, IGNORED, _known(categories)[following])
    beyond = ~last & (step == window)
    event[beyond] = category[beyond] = IGNORED
    return event, category


def _known(indices: pa.Array) -> Ints:
    """Return indices as numbers, IGNORED in the place of null."""
    return np.asarray(pc.fill_null(indices, IGNORED).to_numpy(zero_copy_only=False), np.int64)
