"""Artifacts of training: the description of a trained model, its history, and its resumable state."""

from operator import not_

from pydantic import Field

from rabbithole.artifacts.base import Artifact, FolderFiles, Record
from rabbithole.artifacts.data import Fields, NormaliserRecord
from rabbithole.counts import listed
from rabbithole.specs.base import JsonObject
from rabbithole.specs.training import Target


class CalibrationLine(Record):
    """Calibrated log odds are slope * log odds + intercept."""

    slope: float
    intercept: float


class Calibration(Record):
    """The calibration of ended sessions and of running ones, fitted on valid."""

    ended: CalibrationLine
    running: CalibrationLine


class ModelDescription(Artifact):
    """model.json of a checkpoint: all that scoring must know besides the weights and the encoder.

    settings: the model's own; file: a copy, beside model.json, of the user's file with the model, None for a
    model of the package; fields, sizes, length, history, roots: of the encoder; batch_size: None for
    estimators; outputs: logits per step; calibration: None for the next event; prefixes: whether running
    sessions were trained on.
    """

    kind = "model"
    version = 2
    rule = "train"

    model: str
    settings: JsonObject
    file: str | None
    target: Target
    outputs: int
    fields: Fields
    sizes: dict[str, int]
    length: int
    roots: list[int]
    batch_size: int | None
    calibration: Calibration | None
    prefixes: bool
    history: int = Field(0, exclude_if=not_)

    @property
    def window(self) -> int:
        """Return the steps of a full window."""
        return self.length + self.history


class EpochMetrics(Record):
    """One epoch, one tree, or a whole fit.

    valid_auc: None where the target is the next event, or valid lacks a class.
    """

    epoch: int
    loss: float
    valid_loss: float
    valid_auc: float | None = None


class Trial(Record):
    """One training of a search.

    settings: those that differ from the configured ones; valid_loss: calibrated log loss of ended and running
    sessions in nats, None where the model could not be trained.
    """

    settings: JsonObject
    valid_loss: float | None

    @property
    def words(self) -> str:
        """Return the changed settings in words."""
        return listed([f"{key} {value}" for key, value in self.settings.items()]) or "the configured settings"


class Tuning(Record):
    """A search for settings on valid.

    minutes: after which no trial began; candidates: trials that were planned; chosen: the index of the trial
    whose model is kept.
    """

    minutes: float
    candidates: int
    trials: list[Trial]
    chosen: int


class History(Artifact):
    """history.json: how the training went.

    unit: `epoch`, `tree` or `fit`; best_epoch: the one whose weights were kept, the last one of an estimator;
    seconds: per epoch; tuning: None where the settings were not searched.
    """

    kind = "training history"
    rule = "train"

    unit: str
    epochs: list[EpochMetrics]
    best_epoch: int
    seconds: list[float]
    tuning: Tuning | None = Field(None, exclude_if=lambda value: value is None)


class CountedCodes(Record):
    """Codes of a field that are counted, most frequent first, and the names of their values."""

    codes: list[int]
    names: list[str]


class ValueTable(Record):
    """What train shows about each code of a field. See `models.features.encodings.Tables`.

    rates: log odds of a purchase of sessions with the value, less those of all; popularity: log(1 + sessions
    with the value); cost: mean of log(1 + cost), None for a log without costs.
    """

    rates: list[float]
    popularity: list[float]
    cost: list[float | None] | None


class FeatureTables(Record):
    """What the features of estimators learned on train.

    codes: counted ones by field; earlier: counted events of earlier sessions, None where windows have no
    history; scales: of numbers; tables: by field.
    """

    codes: dict[str, CountedCodes]
    earlier: CountedCodes | None
    scales: dict[str, NormaliserRecord]
    tables: dict[str, ValueTable]


class AggregateFeatures(Artifact):
    """aggregates.json: the features of an estimator, in the order of the columns of its matrix.

    names: of all features; fitted: what they learned on train; blank: columns that are always 0, as train has
    no number there; prefixes: whether running sessions were trained on.
    """

    kind = "aggregate features"
    version = 2
    rule = "train"

    names: list[str]
    fitted: FeatureTables
    blank: list[int]
    prefixes: bool


class BlendWeights(Artifact):
    """blend.json: the weight of each model in a blend, of ended and of running sessions, with the sum 1."""

    kind = "blend weights"
    rule = "blend"

    ended: dict[str, float]
    running: dict[str, float]


class ResumeProgress(Artifact):
    """progress.json of a resumable state: how far a training has come, besides its arrays.

    epoch: finished epochs; batch: finished batches of the current epoch; rows: metrics per epoch; seconds:
    per epoch.
    """

    kind = "training progress"
    rule = "train"

    epoch: int
    batch: int
    best_epoch: int
    rows: list[dict[str, int | float]]
    seconds: list[float]


class CheckpointFiles(FolderFiles):
    """files.json of a trained model or of a resumable state. digests: the sha256 of every other file."""

    kind = "checkpoint files"
    rule = "train"
