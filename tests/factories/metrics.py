"""Metrics of a run with filler values."""

from rabbithole.artifacts.evaluation import (
    AucInterval,
    CalibrationMetrics,
    Campaign,
    CampaignOutcome,
    GainCurve,
    Interval,
    LiftRow,
    Metrics,
    Ranking,
    ThresholdOutcome,
)

NO_RANKING = Ranking(sessions=0, buyers=0, share=None, auc=None, average_precision=None, reason="none")


def auc_interval(auc: float) -> AucInterval:
    return AucInterval(value=auc, low=auc - 0.01, high=auc + 0.01, error=0.005)


def run_metrics(
    auc: float | None, *, buyers: int = 500, slope: float = 1.0, valid_auc: float | None = None
) -> Metrics:
    """Return metrics of a run with a few values of interest."""
    valid = (
        NO_RANKING if valid_auc is None else NO_RANKING.model_copy(update={"auc": auc_interval(valid_auc)})
    )
    outcome = {"contacted": 0, "buyers": 0, "value": 0.0, "low": 0.0, "high": 0.0}
    return Metrics(
        split="test",
        sessions=10_000,
        buyers=buyers,
        share=buyers / 10_000,
        auc=None if auc is None else auc_interval(auc),
        average_precision=None if auc is None else 0.2,
        reason="no buyers in 10,000 sessions; at least 2 are needed" if auc is None else None,
        log_loss=0.18,
        log_loss_constant=0.2,
        brier=0.04,
        brier_constant=0.05,
        calibration=CalibrationMetrics(
            slope=Interval(value=slope, low=slope - 0.02, high=slope + 0.02),
            intercept=Interval(value=0.0, low=-0.1, high=0.1),
            reason=None,
            expected_error=0.001,
            mean_score=0.05,
        ),
        reliability=[],
        lift=[LiftRow(top=0.05, addressed=500, buyers=150.0, reached=0.3, lift=6.0, low=5.0, high=7.0)],
        gain=GainCurve(addressed=[], reached=[], low=[], high=[]),
        campaign=Campaign(
            contact_cost=1.0,
            sale_worth=20.0,
            everybody=CampaignOutcome(**outcome),
            expected=ThresholdOutcome(**outcome, threshold=0.05),
            chosen=None,
        ),
        roc=None,
        precision_recall=None,
        by_steps=[],
        at_first_cart=None,
        by_length=[],
        valid=valid,
    )
