"""The main metrics of each model on a data set: one row per model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rabbithole.artifacts.evaluation import (
    CalibrationMetrics,
    Campaign,
    Comparison,
    Interval,
    LiftRow,
    Metrics,
)
from rabbithole.artifacts.training import History
from rabbithole.report.runs import ORACLE, ModelRow, by_model, model_of

HEADLINE_TOP = 0.05
"""Fraction of the highest-ranked sessions whose lift is shown in the headline table."""


@dataclass(frozen=True)
class Row(ModelRow):
    """A model on a data set. Metrics are means over its seeds, None where there are none.

    low, high: ends of the AUC's 95 % interval; spread: standard deviation of the AUC over seeds, None for one
    seed; share: of buyers; lift: in the top 5 %, with the fraction of buyers `reached` there; to_oracle: AUC
    minus the oracle's, with `to_oracle_low` and `to_oracle_high` of the first seed's paired test; seconds: of
    training per seed, and per fold where there are folds; fold_auc: mean of the AUCs within folds, None
    without folds. Of the first seed: reason (why there is no AUC), lifts, calibration and campaign.
    """

    seeds: int
    auc: float | None
    low: float | None
    high: float | None
    spread: float | None
    reason: str | None
    average_precision: float | None
    share: float | None
    sessions: int
    buyers: int
    log_loss: float
    log_loss_constant: float
    lift: float | None
    reached: float | None
    to_oracle: float | None
    to_oracle_low: float | None
    to_oracle_high: float | None
    seconds: float | None
    valid_auc: float | None
    fold_auc: float | None
    lifts: list[LiftRow]
    calibration: CalibrationMetrics
    campaign: Campaign


def rows(
    metrics: dict[str, Metrics], histories: dict[str, History], comparison: Comparison | None
) -> list[Row]:
    """Return the rows of one data set in the order of the report, from metrics and histories by run."""
    return [
        _row(model, [metrics[run] for run in runs], [histories.get(run) for run in runs], comparison)
        for model, runs in by_model(metrics).items()
    ]


def best(rows: list[Row]) -> Row | None:
    """Return the model (not the oracle) with the highest AUC on valid, None if none has an AUC on test.

    A choice on test would favour the luckiest model, so test decides only where valid has no AUC.
    """
    models = [row for row in rows if not row.is_oracle and row.auc is not None]
    return max(models, key=lambda row: (row.valid_auc or 0.0, row.auc), default=None)


def _row(
    model: str, seeds: list[Metrics], histories: list[History | None], comparison: Comparison | None
) -> Row:
    first = seeds[0]
    aucs = [seed.auc for seed in seeds if seed.auc]
    tops = [row for seed in seeds for row in seed.lift if row.top == HEADLINE_TOP]
    to_oracle = _differences_to_oracle(model, comparison)
    log_losses = [seed.log_loss for seed in seeds]
    return Row(
        model=model,
        seeds=len(seeds),
        auc=mean([auc.value for auc in aucs]),
        low=mean([auc.low for auc in aucs]),
        high=mean([auc.high for auc in aucs]),
        spread=standard_deviation([auc.value for auc in aucs]),
        reason=first.reason,
        average_precision=mean([seed.average_precision for seed in seeds]),
        share=first.share,
        sessions=first.sessions,
        buyers=first.buyers,
        log_loss=float(np.mean(log_losses)),
        log_loss_constant=first.log_loss_constant,
        lift=mean([row.lift for row in tops]),
        reached=mean([row.reached for row in tops]),
        to_oracle=mean([difference.value for difference in to_oracle]),
        to_oracle_low=to_oracle[0].low if to_oracle else None,
        to_oracle_high=to_oracle[0].high if to_oracle else None,
        seconds=mean([sum(history.seconds) for history in histories if history and history.seconds]),
        valid_auc=mean([seed.valid.auc.value for seed in seeds if seed.valid.auc]),
        fold_auc=mean([seed.folds.mean for seed in seeds if seed.folds]),
        lifts=first.lift,
        calibration=first.calibration,
        campaign=first.campaign,
    )


def _differences_to_oracle(model: str, comparison: Comparison | None) -> list[Interval]:
    """Return the AUC of each of the model's seeds minus the oracle's, from the paired tests."""
    differences = []
    for pair in comparison.pairs if comparison else []:
        models = model_of(pair.first), model_of(pair.second)
        if models == (model, ORACLE):
            differences.append(Interval(value=pair.difference, low=pair.low, high=pair.high))
        elif models == (ORACLE, model):
            differences.append(Interval(value=-pair.difference, low=-pair.high, high=-pair.low))
    return differences


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None, None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def standard_deviation(values: list[float]) -> float | None:
    """Return the standard deviation of a sample, None for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
