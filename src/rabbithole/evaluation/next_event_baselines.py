"""Evaluates baselines for the next event: class frequencies in train, alone or after the last event."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.next_event import Floats, Ints, Predict, evaluate_predictions
from rabbithole.specs.training import ScoreSpec
from rabbithole.windows.arrays import Windows, read_encoding, read_parts
from rabbithole.windows.next_events import IGNORED, next_event_labels, read_classes

MAX_STEPS = 50_000
"""Steps predicted at a time, which bounds memory."""


def evaluate_baselines(spec: ScoreSpec, *, windows: Path, most_frequent: Path, markov: Path) -> None:
    """Evaluate both baselines, fitted on train, on test; write a next_event.json for each.

    most_frequent: the class frequencies in train. markov, of first order: the frequencies of events after an
    event of the same type, and of categories after an event of the same category.
    """
    encoding, classes = read_encoding(windows), read_classes(windows)
    event = np.zeros((encoding.sizes["event"], len(classes.events)), np.int64)
    category = np.zeros((encoding.sizes.get("category", 1), len(classes.categories)), np.int64)
    for part in read_parts(windows, "train", encoding):
        labels = next_event_labels(part, classes, encoding.length)
        for counts, field, following in zip((event, category), ("event", "category"), labels, strict=True):
            rows = np.flatnonzero(following != IGNORED)
            np.add.at(counts, (states(part, field)[rows], following[rows]), 1)
    for output, order in ((most_frequent, 0), (markov, 1)):
        predict = table_predictor(
            np.log(transition_probabilities(event, order)), np.log(transition_probabilities(category, order))
        )
        evaluate_predictions(windows, encoding, predict, spec.steps, output)


def table_predictor(event: Floats, category: Floats) -> Predict:
    """Return a predictor that looks log probabilities up by the code of the last event, [states, classes]."""

    def predict(part: Windows) -> Iterator[tuple[Ints, Floats, Floats]]:
        for begin in range(0, len(part.codes), MAX_STEPS):
            index = np.arange(begin, min(begin + MAX_STEPS, len(part.codes)))
            yield index, event[states(part, "event")[index]], category[states(part, "category")[index]]

    return predict


def states(windows: Windows, field: str) -> NDArray[np.int32]:
    """Return the code of each step, int32 [total]; 0 for a field that the windows do not have."""
    codes = windows.codes_of(field)
    return np.zeros(len(windows.codes), np.int32) if codes is None else codes


def transition_probabilities(counts: Ints, order: int) -> Floats:
    """Return the smoothed probability of each class after each state, float64 [states, classes].

    counts: int64 [states, classes], classes after each state in train. Order 0 ignores the state and adds one
    to each class. Order 1 adds one count per class to each state, distributed like order 0, so that a state
    without counts has the probabilities of order 0.
    """
    classes = counts.shape[1]
    total = counts.sum(0) + 1
    shares = total / total.sum() if classes else total.astype(float)
    if order == 0:
        return np.tile(shares, (len(counts), 1))
    return np.asarray((counts + classes * shares) / (counts.sum(1, keepdims=True) + max(classes, 1)))
