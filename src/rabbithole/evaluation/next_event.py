"""Metrics of predictions of the next event and of its category."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from rabbithole.artifacts.evaluation import (
    ClassMetrics,
    MeanInterval,
    NextEventMetrics,
    QuestionMetrics,
    StepAccuracy,
    ValidCrossEntropy,
)
from rabbithole.errors import UserError
from rabbithole.evaluation.delong import normal_quantile
from rabbithole.windows.arrays import Encoding, Windows, read_from_start
from rabbithole.windows.next_events import IGNORED, MAX_CATEGORIES, Classes, next_event_labels, read_classes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Labels = NDArray[np.integer]

Predict = Callable[[Windows], Iterator[tuple[Ints, Floats, Floats]]]
"""From windows to batches: indices of steps among those of all windows, int64 [m], and the log probabilities
of the classes of the next event and of its category, float64 [m, classes] each."""


@dataclass
class Predictions:
    """Predictions of one question (event or category), collected part by part.

    Each list holds arrays of the same lengths: the session's index, the events seen so far, the actual class,
    the predicted (likeliest) class, and the cross-entropy in nats.
    """

    session: list[Ints] = field(default_factory=list)
    step: list[Ints] = field(default_factory=list)
    actual: list[Ints] = field(default_factory=list)
    predicted: list[Ints] = field(default_factory=list)
    nats: list[Floats] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.nats))

    def add(self, session: Ints, step: Ints, actual: Labels, log_probabilities: Floats) -> None:
        """Add predictions, log_probabilities: float64 [m, classes]; those labelled IGNORED are dropped."""
        rows = np.flatnonzero(actual != IGNORED)
        self.session.append(session[rows])
        self.step.append(step[rows])
        self.actual.append(actual[rows].astype(np.int64))
        self.predicted.append(np.argmax(log_probabilities[rows], axis=1) if len(rows) else rows)
        self.nats.append(-log_probabilities[rows, actual[rows]])

    def cross_entropy(self) -> float | None:
        """Return the mean cross-entropy in nats, None without a prediction."""
        return float(np.concatenate(self.nats).mean()) if len(self) else None

    def metrics(self, names: tuple[str, ...], steps: tuple[int, ...]) -> QuestionMetrics:
        """Return all metrics; names: of the classes; steps: numbers of events after which to report them."""
        session, step, actual, predicted = (
            np.concatenate(part) for part in (self.session, self.step, self.actual, self.predicted)
        )
        nats = np.concatenate(self.nats)
        macro_f1, classes = class_metrics(actual, predicted, names)
        return QuestionMetrics(
            predictions=len(nats),
            cross_entropy=mean_with_interval(nats, session),
            top_1=float(np.mean(actual == predicted)),
            macro_f1=macro_f1,
            classes=classes,
            by_steps=[
                StepAccuracy(
                    steps=count,
                    predictions=int(rows.sum()),
                    cross_entropy=mean_with_interval(nats[rows], session[rows]),
                    top_1=float(np.mean(actual[rows] == predicted[rows])),
                )
                for count in steps
                if (rows := step == count).any()
            ],
        )


@dataclass
class NextEventPredictions:
    """Predictions of next events and of their categories; no_category: why there may be no category."""

    classes: Classes
    no_category: str = (
        f"train has no category, or more than {MAX_CATEGORIES}, or every test session has one event"
    )
    event: Predictions = field(default_factory=Predictions)
    category: Predictions = field(default_factory=Predictions)

    def add(
        self,
        session: Ints,
        step: Ints,
        actual: tuple[Labels, Labels],
        log_probabilities: tuple[Floats, Floats],
    ) -> None:
        """Add predictions; actual, log_probabilities: of event and of category."""
        self.event.add(session, step, actual[0], log_probabilities[0])
        if self.classes.categories:
            self.category.add(session, step, actual[1], log_probabilities[1])

    def cross_entropies(self) -> ValidCrossEntropy:
        """Return the mean cross-entropy of each question."""
        return ValidCrossEntropy(event=self.event.cross_entropy(), category=self.category.cross_entropy())

    def metrics(self, steps: tuple[int, ...], *, valid: ValidCrossEntropy | None = None) -> NextEventMetrics:
        """Return all metrics; raises `UserError` when nothing was predicted."""
        if not len(self.event):
            raise UserError("the test split holds no session whose next events could be predicted.")
        categories = len(self.category) > 0
        return NextEventMetrics(
            event=self.event.metrics(self.classes.events, steps),
            category=self.category.metrics(self.classes.categories, steps) if categories else None,
            reason=None if categories else self.no_category,
            valid=valid,
        )


def evaluate_predictions(
    windows: Path, encoding: Encoding, predict: Predict, steps: tuple[int, ...], output: Path
) -> None:
    """Write next_event.json: metrics on test, and the cross-entropies on valid, by which models are chosen.

    Windows are read part by part, and only predictions are kept. Each session is read from its first event,
    up to the window's length.
    """
    valid = _collect(windows, encoding, predict, split="valid").cross_entropies()
    _collect(windows, encoding, predict, split="test").metrics(steps, valid=valid).write(output)


def _collect(windows: Path, encoding: Encoding, predict: Predict, *, split: str) -> NextEventPredictions:
    classes = read_classes(windows)
    predictions, sessions = NextEventPredictions(classes), 0
    for part in read_from_start(windows, split, encoding):
        event, category = next_event_labels(part, classes, encoding.length)
        session = np.repeat(np.arange(len(part)), part.lengths)
        step = np.arange(len(session)) - part.offsets[session] - part.history[session] + 1
        for index, *log_probabilities in predict(part):
            predictions.add(
                sessions + session[index],
                step[index],
                (event[index], category[index]),
                (log_probabilities[0], log_probabilities[1]),
            )
        sessions += len(part)
    return predictions


def mean_with_interval(values: Floats, session: Ints) -> MeanInterval:
    """Return the mean of values with its 95 % interval; values of one session may be dependent.

    values: float64 [m]; session: int64 [m]. A mean over clusters is a ratio, the sum of sums by the sum of
    sizes, with the variance of Cochran (1977, Sampling Techniques, section 9A.5).
    """
    _, cluster = np.unique(session, return_inverse=True)
    mean, clusters = float(values.mean()), int(cluster.max()) + 1
    if clusters < 2:
        return MeanInterval(value=mean, low=None, high=None)
    residuals = np.bincount(cluster, values - mean)
    half_width = normal_quantile() * np.sqrt(clusters / (clusters - 1) * np.sum(residuals**2)) / len(values)
    return MeanInterval(value=mean, low=float(mean - half_width), high=float(mean + half_width))


def class_metrics(actual: Ints, predicted: Ints, names: tuple[str, ...]) -> tuple[float, list[ClassMetrics]]:
    """Return macro-F1 and the metrics of each class that occurs in either array, most frequent first.

    Macro-F1 is the unweighted mean of F1 over the actual classes; a class that is never predicted has F1 0.
    """
    precision, recall, f1, support = precision_recall_fscore_support(
        actual, predicted, labels=np.arange(len(names)), zero_division=0.0
    )
    predictions = np.bincount(predicted, minlength=len(names))
    classes = [
        ClassMetrics(
            name=names[label],
            actual=int(support[label]),
            predicted=int(predictions[label]),
            precision=float(precision[label]),
            recall=float(recall[label]),
            f1=float(f1[label]),
        )
        for label in np.argsort(-support, kind="stable")
        if support[label] or predictions[label]
    ]
    return float(np.mean(f1[support > 0])), classes
