"""The baseline to beat: scikit-learn's histogram booster on order-free aggregates of a session."""

from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from rabbithole.errors import UserError
from rabbithole.io.atomic import read_json, write_json
from rabbithole.models.aggregates import Prefixes, aggregates, frequent_codes
from rabbithole.models.registry import Estimator
from rabbithole.windows.arrays import Windows

TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""The one type of a saved booster that skops does not trust by itself."""

PREFIXES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100)
"""Steps after which a session is taken as a running one; aggregates change too slowly to take all."""

PATIENCE = 10
"""Rounds without a better valid AUC before boosting stops."""

MOST = 1_000_000
"""Sessions it learns from at most, for time and memory."""

MOST_BEGUN = 2_000_000
"""Beginnings of them at most. A million sessions of YOOCHOOSE have 3.3 million: to learn from two of these
costs nothing of the AUC, from one .002."""

CHUNK = 200_000
"""Rows summarised at a time, for memory."""


class Model(Estimator):
    """Boosted trees; one feature tells a running session from an ended one."""

    def __init__(self, *, settings: dict[str, Any], seed: int) -> None:
        self.booster = HistGradientBoostingClassifier(
            learning_rate=settings["learning_rate"],
            max_iter=settings["iterations"],
            max_leaf_nodes=settings["leaves"],
            early_stopping=True,
            scoring="roc_auc",
            n_iter_no_change=PATIENCE,
            tol=0.0,
            random_state=seed,
        )
        self.codes: dict[str, list[int]] = {}
        self.blank: list[int] = []
        self.prefixes = False

    @classmethod
    def build(cls, *, settings: dict[str, Any], seed: int) -> "Model":
        """Return an unfitted model; settings: `learning_rate`, `iterations` and `leaves`."""
        return cls(settings=settings, seed=seed)

    def fit(
        self, train: Windows, weights: NDArray[np.float64], valid: Windows, *, prefixes: bool, shift: float
    ) -> list[dict[str, Any]]:
        """Fit; see `Estimator.fit`. Of too many sessions or beginnings, as many as are allowed are drawn.

        Half of a session's weight is that of its end, 1/k of the other half that of its prefix of k steps.
        """
        self.codes, self.blank, self.prefixes = frequent_codes(train), [], prefixes
        random = np.random.default_rng(self.booster.random_state)
        chosen = _at_most(MOST, np.flatnonzero(weights), random)
        lengths = train.lengths[chosen]
        features = [self._features(train, chosen, lengths, running=False)]
        labels, shares = [train.buyer[chosen]], [weights[chosen] * (0.5 if prefixes else 1.0)]
        # The same part of the beginnings of every length; each of those left weighs as much more.
        kept = min(1.0, MOST_BEGUN / sum(int((lengths >= step).sum()) for step in PREFIXES))
        for step in PREFIXES if prefixes else ():
            long = chosen[lengths >= step]
            begun = _at_most(round(kept * len(long)), long, random)
            if len(begun):
                features.append(self._features(train, begun, np.full(len(begun), step), running=True))
                labels.append(train.buyer[begun])
                shares.append(weights[begun] * 0.5 / step * len(long) / len(begun))
        judged = self._features(valid, np.arange(len(valid)), valid.lengths, running=False)
        # scikit-learn can't bin a column without a number (a log without costs has some).
        self.blank = np.flatnonzero(np.isnan(features[0]).all(axis=0)).tolist()
        for part in (*features, judged):
            part[:, self.blank] = 0.0
        self.booster.fit(
            np.concatenate(features),
            np.concatenate(labels),
            sample_weight=np.concatenate(shares),
            X_val=judged,
            y_val=valid.buyer,
        )
        return self._history(features[0], labels[0], weights[chosen], judged, valid.buyer, shift)

    def _history(
        self,
        ended: NDArray[np.float32],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        judged: NDArray[np.float32],
        buyer: NDArray[np.int8],
        shift: float,
    ) -> list[dict[str, Any]]:
        """Return each round's losses on ended sessions (train: at most 20,000, as balanced) and valid AUC."""
        stride = -(-len(labels) // 20_000)
        ended, labels, weights = ended[::stride], labels[::stride], weights[::stride]
        rows = []
        for number, (train_logits, valid_logits, auc) in enumerate(
            zip(
                self.booster._staged_raw_predict(ended),
                self.booster._staged_raw_predict(judged),
                self.booster.validation_score_[1:],
                strict=True,
            )
        ):
            rows.append(
                {
                    "epoch": number + 1,
                    "loss": float(
                        log_loss(labels, expit(train_logits[:, 0]), sample_weight=weights, labels=[0, 1])
                    ),
                    "valid_loss": float(log_loss(buyer, expit(valid_logits[:, 0] + shift))),
                    "valid_auc": float(auc),
                }
            )
        return rows

    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return the log odds of a purchase, float64 [len(steps), n]; see `Estimator.logits`."""
        out = np.full((len(steps), len(windows)), np.nan)
        for index, step in enumerate(steps):
            rows = np.flatnonzero(windows.lengths >= max(step, 1))
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                lengths = np.full(len(part), step) if step else windows.lengths[part]
                features = self._features(windows, part, lengths, running=bool(step))
                out[index, part] = self.booster.decision_function(features)
        return out

    def _features(
        self, windows: Windows, rows: NDArray[np.int64], steps: NDArray[np.int64], *, running: bool
    ) -> NDArray[np.float32]:
        parts = [
            aggregates(windows, Prefixes(rows[at : at + CHUNK], steps[at : at + CHUNK]), self.codes)
            for at in range(0, len(rows), CHUNK)
        ]
        flag = np.full((len(rows), 1), float(running and self.prefixes), np.float32)
        features = np.concatenate([np.concatenate(parts), flag], axis=1)
        features[:, self.blank] = 0.0
        return features

    def save(self, folder: Path) -> None:
        """Write model.skops and aggregates.json into a folder."""
        # What fitting leaves behind of its own: a scorer, and a method bound to the booster itself, in which
        # skops would turn in circles. Neither is used to predict.
        for name in ("_scorer", "_raw_predict"):
            self.booster.__dict__.pop(name, None)
        skops.io.dump(self.booster, folder / "model.skops")
        write_json(
            folder / "aggregates.json", {"codes": self.codes, "blank": self.blank, "prefixes": self.prefixes}
        )

    @classmethod
    def load(cls, folder: Path) -> "Model":
        """Read what `save` wrote; raises `UserError` when the file holds other types than a booster's."""
        untrusted = set(skops.io.get_untrusted_types(file=folder / "model.skops")) - set(TRUSTED)
        if untrusted:
            raise UserError(
                f"{folder / 'model.skops'} holds {sorted(untrusted)[0]}, which no model of ours does. "
                "Delete it and train again."
            )
        described = read_json(folder / "aggregates.json")
        model = cls.__new__(cls)
        model.booster = skops.io.load(folder / "model.skops", trusted=list(TRUSTED))
        model.codes, model.blank = described["codes"], described["blank"]
        model.prefixes = described["prefixes"]
        return model


def _at_most(most: int, rows: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return all rows, or so many of them, drawn, in their order."""
    return rows if len(rows) <= most else np.sort(random.choice(rows, most, replace=False))
