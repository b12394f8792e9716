"""One row per model: the figures that the page and the terminal begin with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.report.runs import ORACLE, by_model, display_name, model_of
from rabbithole.report.wording import NONE, area, share

HEADLINE_TOP = 0.05


@dataclass(frozen=True)
class Row:
    """A model on a data set; figures are means over its seeds, None where there are none.

    auc, low, high: AUC and the ends of its 95 % interval; spread: standard deviation over seeds, None for
    one seed; to_oracle: AUC minus the oracle's, with `to_oracle_low` and `to_oracle_high` of the first seed's
    paired test; lift in the top 5 % and the share of buyers that is `reached` there; `lifts` in the top 1, 5
    and 10 % with intervals, of the first seed; seconds of training per seed.
    """

    model: str
    name: str
    seeds: int
    auc: float | None
    low: float | None
    high: float | None
    spread: float | None
    reason: str | None
    average_precision: float | None
    share: float
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
    lifts: list[dict[str, float]]
    calibration: dict[str, Any]
    campaign: dict[str, Any]

    @property
    def is_oracle(self) -> bool:
        """Say whether this is the best possible score rather than a model."""
        return self.model == ORACLE


def rows(
    metrics: dict[str, dict[str, Any]],
    histories: dict[str, dict[str, Any]],
    comparison: dict[str, Any] | None,
) -> list[Row]:
    """Return the rows of one data set, models in a set order and the oracle last.

    `metrics` and `histories`: score name to the contents of its metrics.json and history.json.
    """
    return [
        _row(model, [metrics[name] for name in names], [histories.get(name) for name in names], comparison)
        for model, names in by_model(list(metrics)).items()
    ]


def best(found: list[Row]) -> Row | None:
    """Return the model (not the oracle) with the highest AUC on valid, None if none has one on test.

    Chosen on test, its AUC there would be the luckiest of several; so it is only where valid has none.
    """
    models = [row for row in found if not row.is_oracle and row.auc is not None]
    return max(models, key=lambda row: (row.valid_auc or 0.0, row.auc), default=None)


def _row(
    model: str,
    metrics: list[dict[str, Any]],
    histories: list[dict[str, Any] | None],
    comparison: dict[str, Any] | None,
) -> Row:
    areas = [one["auc"] for one in metrics if one["auc"]]
    tops = [top for one in metrics for top in one["lift"] if top["top"] == HEADLINE_TOP]
    gaps = _gaps(model, comparison)
    first = metrics[0]
    return Row(
        model=model,
        name=display_name(model),
        seeds=len(metrics),
        auc=_mean([area["value"] for area in areas]),
        low=_mean([area["low"] for area in areas]),
        high=_mean([area["high"] for area in areas]),
        spread=float(np.std([area["value"] for area in areas], ddof=1)) if len(areas) > 1 else None,
        reason=first["reason"],
        average_precision=_mean([one["average_precision"] for one in metrics]),
        share=first["share"],
        sessions=first["sessions"],
        buyers=first["buyers"],
        log_loss=float(np.mean([one["log_loss"] for one in metrics])),
        log_loss_constant=first["log_loss_constant"],
        lift=_mean([top["lift"] for top in tops]),
        reached=_mean([top["reached"] for top in tops]),
        to_oracle=_mean([gap["difference"] for gap in gaps]),
        to_oracle_low=gaps[0]["low"] if gaps else None,
        to_oracle_high=gaps[0]["high"] if gaps else None,
        seconds=_mean([sum(one["seconds"]) for one in histories if one and one.get("seconds")]),
        valid_auc=_mean([one["valid"]["auc"]["value"] for one in metrics if one["valid"]["auc"]]),
        lifts=first["lift"],
        calibration=first["calibration"],
        campaign=first["campaign"],
    )


def _gaps(model: str, comparison: dict[str, Any] | None) -> list[dict[str, float]]:
    """Return the paired tests of a model's seeds against the oracle, as model minus oracle."""
    gaps = []
    for pair in (comparison or {"pairs": []})["pairs"]:
        names = model_of(pair["first"]), model_of(pair["second"])
        if names == (model, ORACLE):
            gaps.append({key: pair[key] for key in ("difference", "low", "high")})
        elif names == (ORACLE, model):
            gaps.append({"difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"]})
    return gaps


def _mean(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def summary_lines(
    datasets: list[dict[str, Any]],
    next_events: list[dict[str, Any]],
    alice: dict[str, Any] | None,
    report: Path,
) -> list[str]:
    """Return the headline figures as lines of plain text, at most 100 wide, the report's path last.

    `datasets`, `next_events` and `alice` are the parts that the page shows.
    """
    width = max((len(row.name) for part in datasets for row in part["rows"]), default=0)
    lines = []
    for part in datasets:
        if part["rows"]:
            first = part["rows"][0]
            lines.append(f"{part['name']}: {first.buyers:,} buyers in {first.sessions:,} test sessions")
        for row in part["rows"]:
            if row.auc is None:
                lines.append(f"  {row.name:<{width}}  AUC {NONE} ({row.reason})")
                continue
            seeds = f", {row.seeds} seeds" if row.seeds > 1 else ""
            lines.append(
                f"  {row.name:<{width}}  AUC {area(row.auc)} [{area(row.low)}, {area(row.high)}]  "
                f"average precision {area(row.average_precision)}  "
                f"top 5 % reach {share(row.reached)} of buyers{seeds}"
            )
        if part["no_oracle"]:
            lines.append(f"  {part['no_oracle']}")
    for part in next_events:
        width = max(len(row["name"]) for row in part["rows"])
        lines.append(f"{part['name']}: what comes next, asked {part['predictions']['event']:,} times")
        lines += [
            f"  {row['name']:<{width}}  cross-entropy {area(row['event']['value'])}  "
            f"right {share(row['event']['top_1'])}"
            + (f"  category {area(row['category']['value'])}" if row["category"] else "")
            for row in part["rows"]
        ]
    for model in (alice or {"models": []})["models"]:
        lines.append(
            f"alice: {model['name']}: {model['bits_per_character']:.3f} bits per character, held out"
        )
    return [*lines, f"The report: {report}"]
