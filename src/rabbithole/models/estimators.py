"""Models that scikit-learn's estimators fit, on named features of sessions and of their prefixes."""

from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import skops.io
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.training import AggregateFeatures, EpochMetrics
from rabbithole.errors import UserError
from rabbithole.models.features.matrix import FeatureMatrix
from rabbithole.models.features.steps import Prefixes
from rabbithole.models.registry import Estimator
from rabbithole.models.skops_file import write_skops
from rabbithole.windows.arrays import Windows

Floats = NDArray[np.float64]

PREFIX_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100)
"""Lengths of the prefixes to learn from; the features change too slowly to need every length."""

MAX_SESSIONS = 1_000_000
"""Ended sessions to learn from at most, for time and memory."""

MAX_PREFIXES = 2_000_000
"""Prefixes to learn from at most. A million YOOCHOOSE sessions have 3.3 million: learning from two million
of them costs no AUC, from one million .002."""

RUNNING = "running"
"""The name of the last feature: 1 for a session that still runs."""

AGGREGATES_FILE = "aggregates.json"

CHUNK_ROWS = 200_000
"""Rows that are summarised at a time, for memory."""

MAX_HISTORY_ROWS = 20_000
"""Ended sessions on which the training loss is measured at most."""

MIN_PROBABILITY = 1e-6
"""Predicted probabilities are kept this far from 0 and 1, whose log odds are not finite."""

TRUSTED_TYPES = ("numpy.dtype",)
"""What skops does not trust by itself, and what many estimators hold."""


class AggregateModel(Estimator):
    """A model around an estimator: anything with `fit(X, y)`, and `decision_function` or `predict_proba`.

    A subclass is called `Model`. Its constructor takes its settings and a seed, and passes the unfitted
    estimator on. The features are those of `models.features`, NaN where there is no value. One more, the
    last, says whether the session is still running. `names` are those of all columns, once the model is
    fitted.

    trusted_types: types that the fitted estimator holds and that skops does not trust, see `save`.
    """

    trusted_types: ClassVar[tuple[str, ...]] = ()

    def __init__(self, estimator: Any, *, seed: int) -> None:
        if not any(hasattr(estimator, name) for name in ("decision_function", "predict_proba")):
            raise UserError(f"{estimator!r} has neither decision_function nor predict_proba.")
        self.estimator, self.seed = estimator, seed
        self.encoder: EncoderFile | None = None
        self.matrix = FeatureMatrix({}, None, {}, {})
        self.blank: list[int] = []
        self.prefixes = False

    @property
    def names(self) -> list[str]:
        """Return the names of the features, in the order of the columns."""
        return [*self.matrix.names, RUNNING]

    def use_encoder(self, encoder: EncoderFile) -> None:
        """Keep the encoder for the names of events and the scales of numbers; see `Estimator.use_encoder`."""
        self.encoder = encoder

    def fit(
        self, train: Windows, weights: Floats, valid: Windows, *, prefixes: bool, shift: float
    ) -> list[EpochMetrics]:
        """Fit; see `Estimator.fit`. Large logs are sampled: see `MAX_SESSIONS` and `MAX_PREFIXES`.

        With `prefixes`, half of a session's weight goes to its end. Its prefix of k steps gets 1/k of the
        other half.
        """
        self.matrix, folds = FeatureMatrix.fit(train, self.encoder)
        self.blank, self.prefixes = [], prefixes
        rng = np.random.default_rng(self.seed)
        rows = _sample(MAX_SESSIONS, np.flatnonzero(weights), rng)
        lengths = train.present[rows]
        features = [self._features(train, rows, lengths, folds, running=False)]
        labels, row_weights = [train.buyer[rows]], [weights[rows] * (0.5 if prefixes else 1.0)]
        # The same fraction of the prefixes of every length; each one that is kept weighs as much more.
        fraction = min(1.0, MAX_PREFIXES / sum(int((lengths >= step).sum()) for step in PREFIX_STEPS))
        for step in PREFIX_STEPS if prefixes else ():
            long = rows[lengths >= step]
            kept = _sample(round(fraction * len(long)), long, rng)
            if len(kept):
                steps = np.full(len(kept), step)
                features.append(self._features(train, kept, steps, folds, running=True))
                labels.append(train.buyer[kept])
                row_weights.append(weights[kept] * 0.5 / step * len(long) / len(kept))
        valid_features = self._features(valid, np.arange(len(valid)), valid.present, running=False)
        # scikit-learn cannot bin a column without any number (the costs of a log without costs).
        self.blank = np.flatnonzero(np.isnan(features[0]).all(axis=0)).tolist()
        for part in (*features, valid_features):
            part[:, self.blank] = 0.0
        stride = -(-len(rows) // MAX_HISTORY_ROWS)
        sample = features[0][::stride].copy()
        matrix = np.concatenate(features)
        # The estimator makes copies of its own, so memory holds at most one here.
        features.clear()
        self.fit_rows(
            matrix,
            np.concatenate(labels),
            np.concatenate(row_weights),
            valid_features,
            valid.buyer,
        )
        return self.history(
            sample,
            labels[0][::stride],
            weights[rows][::stride],
            valid_features,
            valid.buyer,
            shift,
        )

    def fit_rows(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int8],
        weights: Floats,
        valid_features: NDArray[np.float32],  # noqa: ARG002 - for estimators that stop early
        valid_labels: NDArray[np.int8],  # noqa: ARG002
    ) -> None:
        """Fit the estimator on weighted rows.

        If its `fit` takes no weights, it is fitted on as many rows, drawn in proportion to their weights.
        """
        features = self.inputs(features)
        if (name := _weights_argument(self.estimator)) is not None:
            self.estimator.fit(features, labels, **{name: weights})
            return
        rng = np.random.default_rng(self.seed)
        rows = np.sort(rng.choice(len(labels), len(labels), p=weights / weights.sum()))
        self.estimator.fit(features[rows], labels[rows])

    def history(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int8],
        weights: Floats,
        valid_features: NDArray[np.float32],
        valid_labels: NDArray[np.int8],
        shift: float,
    ) -> list[EpochMetrics]:
        """Return losses and valid AUC on ended sessions, one row; `loss` is that of balanced train."""
        logits, valid_logits = (self.log_odds(part) for part in (features, valid_features))
        both = 0 < valid_labels.sum() < len(valid_labels)
        return [
            EpochMetrics(
                epoch=1,
                loss=float(log_loss(labels, expit(logits), sample_weight=weights, labels=[0, 1])),
                valid_loss=float(log_loss(valid_labels, expit(valid_logits + shift), labels=[0, 1])),
                valid_auc=float(roc_auc_score(valid_labels, valid_logits)) if both else None,
            )
        ]

    def inputs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the estimator takes of the features, float32 [m, any]; by default all of them."""
        return features

    def log_odds(self, features: NDArray[np.float32]) -> Floats:
        """Return the estimator's log odds, float64 [m]; raises `UserError` where one is not finite.

        Those are its `decision_function`, which calibration scales, or follow from its `predict_proba`.
        """
        # In a product of matrices, the last bits of a row depend on the rows beside it. So that a session's
        # score does not, the product is computed in float64, and rounded to float32.
        inputs = self.inputs(features).astype(np.float64)
        if hasattr(self.estimator, "decision_function"):
            out = np.asarray(self.estimator.decision_function(inputs))
        else:
            buyer = np.asarray(self.estimator.predict_proba(inputs))[:, 1]
            out = np.asarray(logit(np.clip(buyer, MIN_PROBABILITY, 1 - MIN_PROBABILITY)))
        if not np.isfinite(out).all():
            raise UserError(f"{type(self.estimator).__name__} predicts numbers that are not finite.")
        return out.astype(np.float32).astype(np.float64)

    def logits(self, windows: Windows, steps: list[int]) -> Floats:
        """Return the log odds of a purchase, float64 [len(steps), n]; see `Estimator.logits`."""
        out = np.full((len(steps), len(windows)), np.nan)
        for index, step in enumerate(steps):
            rows = np.flatnonzero(windows.present >= max(step, 1))
            for start in range(0, len(rows), CHUNK_ROWS):
                part = rows[start : start + CHUNK_ROWS]
                lengths = np.full(len(part), step) if step else windows.present[part]
                features = self._features(windows, part, lengths, running=bool(step))
                out[index, part] = self.log_odds(features)
        return out

    def _features(
        self,
        windows: Windows,
        rows: NDArray[np.int64],
        steps: NDArray[np.int64],
        folds: NDArray[np.int64] | None = None,
        *,
        running: bool,
    ) -> NDArray[np.float32]:
        """Return the features of the first `steps` of each session, float32 [m, features].

        folds: int64 [n], those of all sessions of train, None for sessions of other splits.
        """
        features = np.empty((len(rows), 0), np.float32)
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = rows[start : start + CHUNK_ROWS]
            prefixes = Prefixes(chunk, steps[start : start + CHUNK_ROWS])
            part = self.matrix(windows, prefixes, None if folds is None else folds[chunk])
            if start == 0:
                features = np.empty((len(rows), part.shape[1] + 1), np.float32)
            features[start : start + len(part), :-1] = part
        features[:, -1:] = float(running and self.prefixes)
        features[:, self.blank] = 0.0
        return features

    def save(self, folder: Path) -> None:
        """Write model.skops and aggregates.json.

        Raises `UserError` when the estimator holds a type that neither skops nor `trusted_types` trusts.
        Types of the subclass's own file are trusted: reading the model runs that file in any case.
        """
        file = folder / "model.skops"
        write_skops(self.estimator, file)
        if untrusted := self._untrusted(file):
            types = ", ".join(f'"{name}"' for name in (*self.trusted_types, *untrusted))
            raise UserError(
                f"the fitted {type(self.estimator).__name__} holds {untrusted[0]}. skops does not trust it, "
                "so it could not be read again. If you trust it, write "
                f"`trusted_types = ({types},)` into the class Model."
            )
        AggregateFeatures(
            names=self.names, fitted=self.matrix.record(), blank=self.blank, prefixes=self.prefixes
        ).write(folder / AGGREGATES_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `UserError` when the file holds types that this model never has."""
        file = folder / "model.skops"
        if untrusted := cls._untrusted(file):
            raise UserError(
                f"{file} holds {untrusted[0]}, which no such model contains. Delete it and train again."
            )
        features = AggregateFeatures.read(folder / AGGREGATES_FILE)
        model = cls.__new__(cls)
        AggregateModel.__init__(model, skops.io.load(file, trusted=cls._trusted(file)), seed=0)
        model.matrix = FeatureMatrix.read(features.fitted)
        model.matrix.names = features.names[:-1]
        model.blank, model.prefixes = features.blank, features.prefixes
        return model

    @classmethod
    def _trusted(cls, file: Path) -> list[str]:
        """Return the types in a file that skops does not trust and this model does."""
        known = (*TRUSTED_TYPES, *cls.trusted_types)
        types: list[str] = skops.io.get_untrusted_types(file=file)
        return [name for name in types if name in known or name.startswith(f"{cls.__module__}.")]

    @classmethod
    def _untrusted(cls, file: Path) -> list[str]:
        return sorted(set(skops.io.get_untrusted_types(file=file)) - set(cls._trusted(file)))


def _weights_argument(estimator: Any) -> str | None:
    """Return the argument of `fit` that takes the rows' weights, None if there is none.

    A pipeline's is that of its last step.
    """
    last = estimator.steps[-1] if isinstance(estimator, Pipeline) else ("", estimator)
    if "sample_weight" not in signature(last[1].fit).parameters:
        return None
    return f"{last[0]}__sample_weight" if last[0] else "sample_weight"


def _sample(count: int, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return all rows, or `count` of them drawn at random, in order."""
    return rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))
