"""The baseline: scikit-learn's histogram gradient boosting on summaries that ignore the order of events."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import skops.io
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from rabbithole.artifacts.training import AggregateFeatures, EpochMetrics
from rabbithole.errors import UserError
from rabbithole.specs.training import TreesSettings
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import MISSING, RARE, UNSEEN

CALENDAR = ("hour", "weekday", "month", "week")
"""Fields whose smallest and largest code are features: few sessions have more than two values."""

MAX_COUNTED_CODES = 16
"""Most frequent codes of a field that are counted. Most logs have fewer events, and more categories."""


@dataclass(frozen=True)
class Prefixes:
    """The first steps of sessions, each to be summarised as one row.

    rows: int64 [m], the session's index; steps: int64 [m], the number of its first steps.
    """

    rows: NDArray[np.int64]
    steps: NDArray[np.int64]


def counted_fields(windows: Windows) -> list[str]:
    """Return the fields whose frequent codes are counted, in the order of the features."""
    return [field for field in windows.fields.categorical if field not in ("item", *CALENDAR)]


def frequent_codes(windows: Windows) -> dict[str, list[int]]:
    """Return the codes to count of each field in `counted_fields`, most frequent first."""
    frequent = {}
    for field in counted_fields(windows):
        counts = np.bincount(windows.codes[:, windows.fields.categorical.index(field)])
        order = np.argsort(-counts, kind="stable")[:MAX_COUNTED_CODES]
        frequent[field] = [int(code) for code in order if counts[code]]
    return frequent


def aggregates(windows: Windows, prefixes: Prefixes, codes: dict[str, list[int]]) -> NDArray[np.float32]:
    """Return one row of features per prefix, float32 [m, features].

    The features, of the fields that the windows have: number of steps, of distinct items, and of repeated
    items; counts of `codes`; counts of missing, unseen and rare items; smallest and largest code of each
    calendar field; mean, minimum, maximum, standard deviation, sum and missing share of each numeric field
    (NaN without a value). Sums are taken in the order of the values, so two orders of the same events give
    the same bits.
    """
    m, steps = len(prefixes.rows), prefixes.steps
    owner = np.repeat(np.arange(m), steps)
    starts = np.cumsum(steps) - steps
    index = windows.offsets[prefixes.rows][owner] + np.arange(len(owner)) - starts[owner]
    columns = {field: windows.codes[index, number] for number, field in enumerate(windows.fields.categorical)}

    features: list[NDArray[np.generic]] = [steps]
    items = columns["item"].astype(np.int64) if "item" in columns else None
    if items is not None:
        item_count = int(items.max(initial=0)) + 1
        distinct = np.bincount(np.unique(owner * item_count + items) // item_count, minlength=m)
        features += [distinct, steps - distinct]
    for field in counted_fields(windows):
        features += [np.bincount(owner[columns[field] == code], minlength=m) for code in codes[field]]
    if items is not None:
        features += [np.bincount(owner[items == code], minlength=m) for code in (MISSING, UNSEEN, RARE)]
    for field in (field for field in CALENDAR if field in columns):
        features += [np.minimum.reduceat(columns[field], starts), np.maximum.reduceat(columns[field], starts)]
    for number in range(windows.numbers.shape[1]):
        features += _summaries(windows.numbers[index, number].astype(np.float64), owner, m)
    return np.stack([feature.astype(np.float32) for feature in features], axis=1)


def _summaries(values: NDArray[np.float64], owner: NDArray[np.int64], m: int) -> list[NDArray[np.generic]]:
    """Return each owner's mean, minimum, maximum, standard deviation, sum, and share of missing values."""
    present = ~np.isnan(values)
    sizes = np.bincount(owner, minlength=m)
    values, owner = values[present], owner[present]
    order = np.lexsort((values, owner))
    values, owner = values[order], owner[order]
    counts = np.bincount(owner, minlength=m)
    nonempty = counts > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.where(nonempty, np.bincount(owner, values, m), np.nan)
        mean = total / counts
        deviation = np.sqrt(np.bincount(owner, (values - mean[owner]) ** 2, m) / counts)
    smallest, largest = np.full(m, np.nan), np.full(m, np.nan)
    ends = np.cumsum(counts)
    smallest[nonempty], largest[nonempty] = values[(ends - counts)[nonempty]], values[ends[nonempty] - 1]
    return [mean, smallest, largest, deviation, total, 1 - counts / sizes]


TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""The only type in a saved booster that skops does not trust by itself."""

PREFIX_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100)
"""Lengths of the prefixes to learn from; the features change too slowly to need every length."""

PATIENCE = 10
"""Rounds without a better valid AUC before boosting stops."""

MAX_SESSIONS = 1_000_000
"""Ended sessions to learn from at most, for time and memory."""

MAX_PREFIXES = 2_000_000
"""Prefixes to learn from at most. A million YOOCHOOSE sessions have 3.3 million: learning from two million
of them costs no AUC, from one million .002."""

CHUNK_ROWS = 200_000
"""Rows that are summarised at a time, for memory."""

MAX_HISTORY_ROWS = 20_000
"""Ended sessions on which the training loss is measured at most."""


class Model:
    """Boosted trees. One feature says whether the session is still running."""

    def __init__(self, settings: TreesSettings, *, seed: int) -> None:
        self.booster = HistGradientBoostingClassifier(
            learning_rate=settings.learning_rate,
            max_iter=settings.iterations,
            max_leaf_nodes=settings.leaves,
            early_stopping=True,
            scoring="roc_auc",
            n_iter_no_change=PATIENCE,
            tol=0.0,
            random_state=seed,
        )
        self.codes: dict[str, list[int]] = {}
        self.blank: list[int] = []
        self.prefixes = False

    def fit(
        self, train: Windows, weights: NDArray[np.float64], valid: Windows, *, prefixes: bool, shift: float
    ) -> list[EpochMetrics]:
        """Fit; see `Estimator.fit`. Large logs are sampled: see `MAX_SESSIONS` and `MAX_PREFIXES`.

        With `prefixes`, half of a session's weight goes to its end. Its prefix of k steps gets 1/k of the
        other half.
        """
        self.codes, self.blank, self.prefixes = frequent_codes(train), [], prefixes
        rng = np.random.default_rng(self.booster.random_state)
        rows = _sample(MAX_SESSIONS, np.flatnonzero(weights), rng)
        lengths = train.lengths[rows]
        features = [self._features(train, rows, lengths, running=False)]
        labels, row_weights = [train.buyer[rows]], [weights[rows] * (0.5 if prefixes else 1.0)]
        # The same fraction of the prefixes of every length; each one that is kept weighs as much more.
        fraction = min(1.0, MAX_PREFIXES / sum(int((lengths >= step).sum()) for step in PREFIX_STEPS))
        for step in PREFIX_STEPS if prefixes else ():
            long = rows[lengths >= step]
            kept = _sample(round(fraction * len(long)), long, rng)
            if len(kept):
                features.append(self._features(train, kept, np.full(len(kept), step), running=True))
                labels.append(train.buyer[kept])
                row_weights.append(weights[kept] * 0.5 / step * len(long) / len(kept))
        valid_features = self._features(valid, np.arange(len(valid)), valid.lengths, running=False)
        # scikit-learn cannot bin a column without any number (the costs of a log without costs).
        self.blank = np.flatnonzero(np.isnan(features[0]).all(axis=0)).tolist()
        for part in (*features, valid_features):
            part[:, self.blank] = 0.0
        if valid.buyer.min() == valid.buyer.max():
            # Valid lacks a class, so it has no AUC.
            self.booster.set_params(scoring="loss")
        self.booster.fit(
            np.concatenate(features),
            np.concatenate(labels),
            sample_weight=np.concatenate(row_weights),
            X_val=valid_features,
            y_val=valid.buyer,
        )
        return self._history(features[0], labels[0], weights[rows], valid_features, valid.buyer, shift)

    def _history(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        valid_features: NDArray[np.float32],
        valid_labels: NDArray[np.int8],
        shift: float,
    ) -> list[EpochMetrics]:
        """Return each round's losses and valid AUC on ended sessions; `loss` is that of balanced train."""
        stride = -(-len(labels) // MAX_HISTORY_ROWS)
        features, labels, weights = features[::stride], labels[::stride], weights[::stride]
        scores = self.booster.validation_score_[1:]
        rounds = zip(
            self.booster.staged_decision_function(features),
            self.booster.staged_decision_function(valid_features),
            [None] * len(scores) if self.booster.scoring == "loss" else scores.tolist(),
            strict=True,
        )
        return [
            EpochMetrics(
                epoch=number,
                loss=float(log_loss(labels, expit(logits), sample_weight=weights, labels=[0, 1])),
                valid_loss=float(log_loss(valid_labels, expit(valid_logits + shift), labels=[0, 1])),
                valid_auc=auc,
            )
            for number, (logits, valid_logits, auc) in enumerate(rounds, 1)
        ]

    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return the log odds of a purchase, float64 [len(steps), n]; see `Estimator.logits`."""
        out = np.full((len(steps), len(windows)), np.nan)
        for index, step in enumerate(steps):
            rows = np.flatnonzero(windows.lengths >= max(step, 1))
            for start in range(0, len(rows), CHUNK_ROWS):
                part = rows[start : start + CHUNK_ROWS]
                lengths = np.full(len(part), step) if step else windows.lengths[part]
                features = self._features(windows, part, lengths, running=bool(step))
                out[index, part] = self.booster.decision_function(features)
        return out

    def _features(
        self, windows: Windows, rows: NDArray[np.int64], steps: NDArray[np.int64], *, running: bool
    ) -> NDArray[np.float32]:
        """Return the features of the first `steps` of each session, float32 [m, features]."""
        parts = [
            aggregates(windows, Prefixes(rows[i : i + CHUNK_ROWS], steps[i : i + CHUNK_ROWS]), self.codes)
            for i in range(0, len(rows), CHUNK_ROWS)
        ]
        flag = np.full((len(rows), 1), float(running and self.prefixes), np.float32)
        features = np.concatenate([np.concatenate(parts), flag], axis=1)
        features[:, self.blank] = 0.0
        return features

    def save(self, folder: Path) -> None:
        """Write model.skops and aggregates.json."""
        drop_training_state(self.booster)
        skops.io.dump(self.booster, folder / "model.skops")
        AggregateFeatures(codes=self.codes, blank=self.blank, prefixes=self.prefixes).write(
            folder / "aggregates.json"
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `UserError` when the file holds types that no booster has."""
        file = folder / "model.skops"
        if untrusted := sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED_TYPES)):
            raise UserError(
                f"{file} holds {untrusted[0]}, which no model of this project contains. "
                "Delete it and train again."
            )
        features = AggregateFeatures.read(folder / "aggregates.json")
        model = cls.__new__(cls)
        model.booster = skops.io.load(file, trusted=list(TRUSTED_TYPES))
        model.codes, model.blank, model.prefixes = features.codes, features.blank, features.prefixes
        return model


def drop_training_state(booster: HistGradientBoostingClassifier) -> None:
    """Delete the two private attributes that fitting leaves on a booster and that prediction does not use.

    skops does not trust the scorer, and would recurse for ever into `_raw_predict`, a method bound to the
    booster itself. A test fails when scikit-learn renames either.
    """
    for name in ("_scorer", "_raw_predict"):
        vars(booster).pop(name, None)


def _sample(count: int, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return all rows, or `count` of them drawn at random, in order."""
    return rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))
