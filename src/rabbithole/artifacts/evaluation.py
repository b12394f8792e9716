"""Artifacts of evaluation: metrics, comparisons of models, explanations, and next-event metrics."""

from pydantic import Field

from rabbithole.artifacts.base import Artifact, Record

DIGITS = 9
"""Significant digits in the files: far below the width of any interval."""


class Interval(Record):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class AucInterval(Interval):
    """An AUC with its 95 % interval and its standard error."""

    error: float


class Ranking(Record):
    """How well scores rank. share: of buyers; reason: why there is no AUC."""

    sessions: int
    buyers: int
    share: float | None
    auc: AucInterval | None
    average_precision: float | None
    reason: str | None


class CalibrationFit(Record):
    """Slope and intercept of the calibration regression; reason: why there are none."""

    slope: Interval | None
    intercept: Interval | None
    reason: str | None


class CalibrationMetrics(CalibrationFit):
    """The calibration regression, the expected calibration error and the mean score."""

    expected_error: float
    mean_score: float


class ReliabilityBin(Record):
    """Sessions of like score. share: of buyers, with its Wilson interval."""

    sessions: int
    buyers: int
    mean_score: float
    share: float
    low: float
    high: float


class LiftRow(Record):
    """The highest-ranked sessions. top: their fraction; buyers: expected; reached: of all buyers."""

    top: float
    addressed: int
    buyers: float
    reached: float
    lift: float
    low: float
    high: float


class GainCurve(Record):
    """The fraction of buyers reached by the fraction of sessions addressed, with its interval."""

    addressed: list[float]
    reached: list[float]
    low: list[float]
    high: list[float]


class CampaignOutcome(Record):
    """What a campaign earns. value: per 1,000 sessions, with its 95 % interval."""

    contacted: int
    buyers: int
    value: float
    low: float
    high: float


class ThresholdOutcome(CampaignOutcome):
    """The outcome of contacting sessions above a threshold; None: nobody.

    left_out_effect: how many times larger the variance of the share of buyers among the sessions left out is,
    as those of a visitor are alike.
    """

    threshold: float | None
    left_out_effect: float = Field(1.0, exclude_if=lambda effect: effect == 1.0)


class Campaign(Record):
    """Campaigns among ended test sessions, by whom they contact; chosen: None without a valid session."""

    contact_cost: float
    sale_worth: float
    everybody: CampaignOutcome
    expected: ThresholdOutcome
    chosen: ThresholdOutcome | None


class RocCurve(Record):
    """Points of the ROC curve from (0, 0) to (1, 1)."""

    false_positive: list[float]
    true_positive: list[float]


class PrecisionRecallCurve(Record):
    """Precision by rising recall."""

    recall: list[float]
    precision: list[float]


class Probabilities(Record):
    """Log loss (nats) and Brier score beside those of the best constant, and the calibration."""

    log_loss: float
    log_loss_constant: float
    brier: float
    brier_constant: float
    calibration: CalibrationMetrics


class RunningRanking(Ranking):
    """Running sessions: will they buy? reached: of their buyers in the top 5 %, None without buyers."""

    log_loss: float
    mean_score: float
    slope: Interval | None
    reached: float | None


class StepsRanking(RunningRanking):
    """Running sessions after their first `steps` events."""

    steps: int


class LengthRanking(Ranking):
    """Ended sessions of `first` to `last` events; no upper end where `last` is None."""

    first: int
    last: int | None


class FoldRanking(Record):
    """The AUC of ended test sessions within each fold, None without both classes; mean: of the others."""

    auc: list[float | None]
    mean: float | None


class Metrics(Artifact, Ranking, Probabilities):
    """metrics.json: all metrics of one set of scores on the test split.

    The ranking is that of ended sessions; valid: their ranking on valid; at_first_cart: running sessions at
    their first add-to-cart, None for a log without one and for the oracle; folds: None without folds;
    visitors: of the ended sessions, None where none has two; all intervals take the sessions of one together.
    """

    kind = "metrics"
    version = 2
    rule = "evaluate"
    digits = DIGITS

    split: str
    reliability: list[ReliabilityBin]
    lift: list[LiftRow]
    gain: GainCurve
    campaign: Campaign
    roc: RocCurve | None
    precision_recall: PrecisionRecallCurve | None
    by_steps: list[StepsRanking]
    at_first_cart: RunningRanking | None
    by_length: list[LengthRanking]
    valid: Ranking
    folds: FoldRanking | None = Field(None, exclude_if=lambda folds: folds is None)
    visitors: int | None = Field(None, exclude_if=lambda visitors: visitors is None)


class AucDifference(Record):
    """AUC of the first minus that of the second, with 95 % interval and standard error; p: two-sided."""

    difference: float
    low: float
    high: float
    error: float
    z: float
    p: float


class PairedTest(AucDifference):
    """DeLong's paired test of two runs."""

    first: str
    second: str


class Comparison(Artifact):
    """comparison.json: paired tests between all runs; reason: why there are none."""

    kind = "comparison"
    rule = "compare_models"

    sessions: int
    buyers: int
    reason: str | None
    pairs: list[PairedTest]


class ImportanceLoss(Record):
    """What a permutation costs. auc: before it; auc_lost, log_loss_gained: with 95 % intervals."""

    auc: float | None
    auc_lost: Interval | None
    log_loss_gained: Interval


class FieldImportance(ImportanceLoss):
    """The importance of one field."""

    field: str


class StepImportance(ImportanceLoss):
    """The importance of the steps `first` to `last` from the end; both None: the first step."""

    first: int | None
    last: int | None
    sessions: int
    buyers: int


class Journey(Record):
    """One session step by step. probability: of a purchase after each event.

    again: whether the item was seen before, None for a log without items.
    """

    session_id: str
    bought: bool
    rising: bool
    probability: list[float]
    event: list[str]
    again: list[bool] | None


class Explanation(Artifact):
    """explanation.json: importance of fields and steps on `sessions` of the test sessions, and journeys.

    valid_auc: None where valid lacks buyers or others.
    """

    kind = "explanation"
    rule = "explain"
    digits = DIGITS

    valid_auc: float | None
    test_sessions: int
    sessions: int
    buyers: int
    fields: list[FieldImportance]
    steps: list[StepImportance]
    journeys: list[Journey]


class MeanInterval(Record):
    """A mean with its 95 % interval; None for a single session."""

    value: float
    low: float | None
    high: float | None


class ClassMetrics(Record):
    """One class. actual: occurrences; predicted: times it had the highest probability."""

    name: str
    actual: int
    predicted: int
    precision: float
    recall: float
    f1: float


class StepAccuracy(Record):
    """Predictions after `steps` events."""

    steps: int
    predictions: int
    cross_entropy: MeanInterval
    top_1: float


class QuestionMetrics(Record):
    """Metrics of one question: which event comes next, or of which category it is."""

    predictions: int
    cross_entropy: MeanInterval
    top_1: float
    macro_f1: float
    classes: list[ClassMetrics]
    by_steps: list[StepAccuracy]


class ValidCrossEntropy(Record):
    """Cross-entropy on valid (nats), by which models are chosen; None without a prediction."""

    event: float | None
    category: float | None


class NextEventMetrics(Artifact):
    """next_event.json: predictions of the next event on test. reason: why there is no category."""

    kind = "next-event metrics"
    rule = "next_event"

    event: QuestionMetrics
    category: QuestionMetrics | None
    reason: str | None
    valid: ValidCrossEntropy | None
