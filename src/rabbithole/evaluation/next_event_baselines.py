"""What must be beaten at foretelling the next event: counts of train, taken alone or by what came last."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.next_event import evaluate_predictions
from rabbithole.training.data import read_encoding, read_parts
from rabbithole.windows.arrays import Windows
from rabbithole.windows.next_events import CATEGORY, EVENT, IGNORED, next_event_labels, read_classes

Floats = NDArray[np.float64]

ROWS = 50_000
"""Steps predicted at a time: what bounds memory."""


def evaluate_baselines(*, windows: Path, steps: list[int], most_frequent: Path, markov: Path) -> None:
    """Write next_event.json of both baselines on test, fitted on train alone (see `judge`).

    The most frequent: the classes' shares in train. Markov, of first order: the shares after an event of this
    type, and those of the category after an event of this category.
    """
    encoding, classes = read_encoding(windows), read_classes(windows)
    event = np.zeros((encoding.sizes["event"], len(classes.events)), np.int64)
    category = np.zeros((encoding.sizes["category"], len(classes.categories)), np.int64)
    for part in read_parts(windows, "train", encoding):
        asked = next_event_labels(part, classes, encoding.length)
        for counts, field, following in zip((event, category), (EVENT, CATEGORY), asked, strict=True):
            rows = np.flatnonzero(following != IGNORED)
            np.add.at(counts, (part.codes[rows, field], following[rows]), 1)
    for output, order in ((most_frequent, 0), (markov, 1)):
        of_event, of_category = (np.log(transitions(counts, order)) for counts in (event, category))

        def predict(
            part: Windows, of_event: Floats = of_event, of_category: Floats = of_category
        ) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
            for low in range(0, len(part.codes), ROWS):
                index = np.arange(low, min(low + ROWS, len(part.codes)))
                now = part.codes[index]
                yield index, of_event[now[:, EVENT]], of_category[now[:, CATEGORY]]

        evaluate_predictions(windows, encoding, predict, steps, output)


def transitions(counts: NDArray[np.int64], order: int) -> Floats:
    """Return the probability of each class after each state, [states, classes].

    counts: [states, classes], what followed in train. Additive smoothing: of order 0, whatever the state,
    each class is counted once more; of order 1 each state has as many more counts as there are classes, dealt
    out by the shares of order 0, so that a state that train never held has these.
    """
    classes = counts.shape[1]
    total = counts.sum(0) + 1
    shares = total / total.sum() if classes else total.astype(float)
    if order == 0:
        return np.tile(shares, (len(counts), 1))
    return np.asarray((counts + classes * shares) / (counts.sum(1, keepdims=True) + max(classes, 1)))
