"""Artifacts of a model at work: the model folder's manifest, and the summary of a prediction."""

from operator import not_

from pydantic import Field

from rabbithole.artifacts.base import Artifact, Record
from rabbithole.artifacts.evaluation import AucInterval, Interval, LiftRow
from rabbithole.artifacts.training import Calibration
from rabbithole.specs.data import EventsSpec, SessionsSpec


class Candidate(Record):
    """A trained model that could have been taken. valid_auc: of ended sessions, None where undefined."""

    model: str
    seed: int
    valid_auc: float | None


class TrainedOn(Record):
    """The log behind a model: ISO times of its first and last event, and the sessions of each split."""

    first: str
    last: str
    events: int
    sessions: dict[str, int]
    buyers: dict[str, int]


class TestMetrics(Record):
    """What the model reached on test; calibration_slope: None where it is undefined."""

    sessions: int
    buyers: int
    auc: AucInterval | None
    average_precision: float | None
    log_loss: float
    log_loss_constant: float
    brier: float
    calibration_slope: Interval | None
    lift: list[LiftRow]


class FieldShares(Record):
    """Shares of a field's values that the log does not hold, or that train did not contain."""

    missing: float
    unseen: float


class ModelManifest(Artifact):
    """manifest.json of a model folder: what the model is, and how a log must be read for it.

    events, sessions: how the training log was read, its place and the split left out of use;
    horizon_minutes: a session whose last event is this close to the end of a log is still running;
    fields: that the model sees; usual: shares in test, by categorical field;
    threshold: contact sessions at or above this score (best on valid), None: nobody; versions: of the
    libraries that trained it; files: the sha256 of every other file of the folder, by path;
    digest: identifies model and folder, 16 hex digits.
    """

    kind = "model folder"
    rule = "package_model"
    hint = "Copy the whole folder again, or package the model again with this version of Rabbithole."

    dataset: str
    model: str
    seed: int
    chosen: str
    candidates: list[Candidate]
    events: EventsSpec
    sessions: SessionsSpec
    horizon_minutes: float
    timezone: str
    fields: list[str]
    window: int
    trained_on: TrainedOn
    test: TestMetrics
    usual: dict[str, FieldShares]
    contact_cost: float
    sale_worth: float
    threshold: float | None
    versions: dict[str, str]
    files: dict[str, str]
    digest: str


class AudienceCounts(Record):
    """How many sessions are in the audience: to contact, and held out at random to measure the effect."""

    contact: int
    hold_out: int


class PredictionSummary(Artifact):
    """What became of a log that was scored; it stands beside the scores.

    lines, rejected, duplicates, events: of the log; left_out: events that the settings leave out; sessions:
    scored; running: of these, still running; bought: of these, with a purchase in the log (only events before
    it were used); not_scored: sessions without a score, by reason; shares: of values that are missing or
    unknown to the model, by categorical field; audience: None where none was asked for; warnings: sentences.
    """

    kind = "prediction summary"
    rule = "predict"

    model: str
    dataset: str
    digest: str
    lines: int
    rejected: int
    duplicates: int
    left_out: int = Field(0, exclude_if=not_)
    events: int
    sessions: int
    running: int
    bought: int
    not_scored: dict[str, int]
    shares: dict[str, FieldShares]
    audience: AudienceCounts | None = None
    warnings: list[str]


class ExportDescription(Artifact):
    """export.json: how to use an exported network.

    categorical, numeric: fields in the order of codes and numbers; length: a session's own steps in a
    window at most; history: those of earlier sessions that may stand before them; minimum_steps: that the
    program takes, where shorter sessions are padded at the end; ended_column, running_column: of the logits;
    calibration: calibrated log odds are slope * logit + intercept.
    """

    kind = "exported model"
    rule = "package_model"

    model: str
    digest: str
    categorical: list[str]
    numeric: list[str]
    length: int
    minimum_steps: int
    ended_column: int
    running_column: int
    calibration: Calibration
    history: int = Field(0, exclude_if=not_)


class EstimatorExportDescription(Artifact):
    """export.json: how to use an exported estimator.

    features: in the order of its input; running: the one that is 1 for a running session and 0 for an ended
    one, None: it is 0 for both; calibration: calibrated log odds are slope * logit + intercept.
    """

    kind = "exported estimator"
    rule = "package_model"

    model: str
    digest: str
    features: list[str]
    running: str | None
    calibration: Calibration


class BlendExportDescription(Artifact):
    """export.json: how to use the exported members of a blend, which are in members/NAME.

    ended, running: the weight of each member's calibrated log odds, of ended and of running sessions;
    calibration: the blend's log odds are slope * weighted mean + intercept.
    """

    kind = "exported blend"
    rule = "package_model"

    model: str
    digest: str
    ended: dict[str, float]
    running: dict[str, float]
    calibration: Calibration


class FieldReference(Record):
    """How the values of a field were distributed in train: shares of its bins.

    bins: codes of a categorical field (the last bin holds all others), or inner edges of a numeric one, whose
    last bin holds missing values.
    """

    numeric: bool
    bins: list[float]
    shares: list[float]


class Reference(Artifact):
    """reference.json of a model folder: distributions in train, and of the scores of ended test sessions."""

    kind = "reference distributions"
    rule = "package_model"

    fields: dict[str, FieldReference]
    score: FieldReference
    unseen_items: float


class Drift(Record):
    """The population stability index of a field, or of the score, between train and now."""

    name: str
    index: float


class PeriodMetrics(Record):
    """How well scores did on the sessions that began on one day (or all of them: `all`).

    expected: mean score; lift: in the top 5 %; reason: why there is no AUC.
    """

    day: str
    sessions: int
    buyers: int
    share: float
    expected: float
    auc: AucInterval | None
    reason: str | None
    log_loss: float
    brier: float
    slope: Interval | None
    lift: float | None
    unseen_items: float


class MonitorReport(Artifact):
    """A model in use, once the outcome is known.

    verdict: fine, recalibrate, retrain or unclear; reasons: sentences; unmatched: scored sessions that
    the later log does not hold; warnings: sentences about the log.
    """

    kind = "monitor report"
    rule = "monitor"

    dataset: str
    model: str
    digest: str
    promised: TestMetrics
    verdict: str
    reasons: list[str]
    total: PeriodMetrics
    days: list[PeriodMetrics]
    drift: list[Drift]
    unmatched: int
    warnings: list[str] = Field(default=[])
