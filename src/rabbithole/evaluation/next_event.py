"""Everything that is said about predictions of the next event: next_event.json."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import precision_recall_fscore_support

from rabbithole.errors import UserError
from rabbithole.io.atomic import write_json
from rabbithole.training.data import Encoding, read_from_start
from rabbithole.windows.arrays import Windows
from rabbithole.windows.next_events import IGNORED, MAX_CATEGORIES, Classes, next_event_labels, read_classes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Predict = Callable[[Windows], Iterator[tuple[Ints, Floats, Floats]]]
"""From windows to numbers of their steps, int64 [m], and the log probabilities of the next event's classes
and of its category's there, [m, classes] each."""


@dataclass
class PredictionMetrics:
    """Predictions of one question (event or category), gathered part by part.

    Arrays of the same length in each list: the session's number, the events seen before, the class that came,
    the likeliest class, and the cross-entropy (nats).
    """

    sessions: list[Ints] = field(default_factory=list)
    steps: list[Ints] = field(default_factory=list)
    truth: list[Ints] = field(default_factory=list)
    guess: list[Ints] = field(default_factory=list)
    nats: list[Floats] = field(default_factory=list)

    def add(self, session: Ints, step: Ints, truth: NDArray[np.integer], logs: Floats) -> None:
        """Add predictions; logs: log probabilities, [m, classes]. What is not asked for is left out."""
        asked = np.flatnonzero(truth != IGNORED)
        self.sessions.append(session[asked])
        self.steps.append(step[asked])
        self.truth.append(truth[asked].astype(np.int64))
        self.guess.append(np.argmax(logs[asked], axis=1) if len(asked) else asked)
        self.nats.append(-logs[asked, truth[asked]])

    def figures(self, names: tuple[str, ...], steps: list[int]) -> dict[str, Any]:
        """Return all figures; `by_steps` after so many events, where anything came to be predicted."""
        sessions, seen, truth, guess = (
            np.concatenate(one) for one in (self.sessions, self.steps, self.truth, self.guess)
        )
        nats = np.concatenate(self.nats)
        return {
            "predictions": len(nats),
            "cross_entropy": mean_with_interval(nats, sessions),
            "top_1": float(np.mean(truth == guess)),
            **by_class(truth, guess, names),
            "by_steps": [
                {
                    "steps": step,
                    "predictions": int(there.sum()),
                    "cross_entropy": mean_with_interval(nats[there], sessions[there]),
                    "top_1": float(np.mean(truth[there] == guess[there])),
                }
                for step in steps
                if (there := seen == step).any()
            ],
        }


@dataclass
class NextEventMetrics:
    """Predictions of next events and of their categories; no_category: why there may be none of these."""

    classes: Classes
    no_category: str = f"train holds none, or more than {MAX_CATEGORIES}, or no test session goes on"
    event: PredictionMetrics = field(default_factory=PredictionMetrics)
    category: PredictionMetrics = field(default_factory=PredictionMetrics)

    def add(
        self,
        session: Ints,
        step: Ints,
        truth: tuple[NDArray[np.integer], NDArray[np.integer]],
        logs: tuple[Floats, Floats],
    ) -> None:
        """Add predictions: classes that came and log probabilities, each of event and of category."""
        self.event.add(session, step, truth[0], logs[0])
        if self.classes.categories:
            self.category.add(session, step, truth[1], logs[1])

    def cross_entropies(self) -> dict[str, float | None]:
        """Return the mean cross-entropy (nats) of each question, None where nothing was asked."""
        asked = {"event": np.concatenate([*self.event.nats, []])}
        asked["category"] = np.concatenate([*self.category.nats, []])
        return {question: float(nats.mean()) if len(nats) else None for question, nats in asked.items()}

    def write(self, output: Path, steps: list[int], *, valid: dict[str, float | None] | None = None) -> None:
        """Write next_event.json, with what was reached on valid; `UserError` where nothing was predicted."""
        if not sum(map(len, self.event.nats)):
            raise UserError("the test split holds no session whose next events could be predicted.")
        categories = any(map(len, self.category.nats))
        figures = {
            "event": self.event.figures(self.classes.events, steps),
            "category": self.category.figures(self.classes.categories, steps) if categories else None,
        }
        reason = None if categories else self.no_category
        write_json(output, {**figures, "reason": reason, "valid": valid})


def evaluate_predictions(
    windows: Path, encoding: Encoding, predict: Predict, steps: list[int], output: Path
) -> None:
    """Write next_event.json of predictions on test, and their cross-entropies on valid, to choose by.

    Windows are read part by part, and only predictions are kept; each session from its first event on, up to
    the window's length. steps: figures are given after so many events, too.
    """
    valid = _judged(windows, encoding, predict, split="valid").cross_entropies()
    _judged(windows, encoding, predict, split="test").write(output, steps, valid=valid)


def _judged(windows: Path, encoding: Encoding, predict: Predict, *, split: str) -> NextEventMetrics:
    classes = read_classes(windows)
    judgement, before = NextEventMetrics(classes), 0
    for part in read_from_start(windows, split, encoding):
        event, category = next_event_labels(part, classes, encoding.length)
        session = np.repeat(np.arange(len(part)), part.lengths)
        step = np.arange(len(session)) - part.offsets[session] + 1
        for index, *logs in predict(part):
            truth = event[index], category[index]
            judgement.add(before + session[index], step[index], truth, (logs[0], logs[1]))
        before += len(part)
    return judgement


def mean_with_interval(values: Floats, sessions: Ints) -> dict[str, float | None]:
    """Return the mean of values and its 95 % interval, which takes a session's values as dependent.

    A mean over clusters is a ratio, sum of sums by sum of sizes, with the variance of Cochran (1977, Sampling
    Techniques, section 9A.5). The ends are None for a single session.
    """
    _, number = np.unique(sessions, return_inverse=True)
    mean, count = float(values.mean()), int(number.max()) + 1
    if count < 2:
        return {"value": mean, "low": None, "high": None}
    away = np.bincount(number, values - mean)
    half = norm.ppf(0.975) * np.sqrt(count / (count - 1) * np.sum(away**2)) / len(values)
    return {"value": mean, "low": float(mean - half), "high": float(mean + half)}


def by_class(truth: Ints, guess: Ints, names: tuple[str, ...]) -> dict[str, Any]:
    """Return macro-F1 and the classes' own figures, those that came or were guessed, most frequent first.

    Macro-F1 is the plain mean of the F1 of all classes that came; one that is never guessed has 0.
    """
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=np.arange(len(names)), zero_division=0.0
    )
    guessed = np.bincount(guess, minlength=len(names))
    rows = [
        {
            "name": names[one],
            "came": int(support[one]),
            "guessed": int(guessed[one]),
            "precision": float(precision[one]),
            "recall": float(recall[one]),
            "f1": float(f1[one]),
        }
        for one in np.argsort(-support, kind="stable")
        if support[one] or guessed[one]
    ]
    return {"macro_f1": float(np.mean(f1[support > 0])), "classes": rows}
