"""How near the models come to the best possible score, as Markdown."""

from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.io.atomic import atomic_write, read_json
from rabbithole.report.headline import Row, rows
from rabbithole.report.runs import by_model, display_name, model_of

BASELINE = "gradient_boosting"

FEWEST = 100
"""Buyers at least, among sessions that got so far, for a figure of these."""


def oracle_gap_tables(*, datasets: dict[str, dict[str, Any]], output: Path) -> None:
    """Write one row a data set and model: the oracle ahead, the baseline behind, probabilities.

    Then one table a data set: the AUC of sessions still running, by events seen.

    `datasets`: data set -> {"windows": windows.json, "comparison": comparison.json, "metrics": name ->
    metrics.json}. Data sets of fewer sessions to learn from come first.
    """
    told = {name: _read(files) for name, files in datasets.items()}
    lines = ["# How near to the best possible score", ""]
    lines += [
        "| data set | train | test | buyers | model | AUC | 95 % interval | behind the oracle "
        "| 95 % interval | ahead of gradient boosting | p | log loss over the oracle's | calibration slope |",
        "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines_of_running: list[str] = []
    for name, (train, found, comparison) in sorted(told.items(), key=lambda item: item[1][0]):
        best = next((row.log_loss for row in found if row.is_oracle), None)
        for row in found:
            facts = [name, f"{train:,}", f"{row.sessions:,}", f"{row.buyers:,}", row.name]
            told_of = [*facts, *_figures(row, comparison), *_probabilities(row, best)]
            lines.append("| " + " | ".join(told_of) + " |")
        lines_of_running += ["", f"{name}:", "", *_running(datasets[name]["metrics"])]
    lines += ["", "## Sessions still running", *lines_of_running]
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


def _read(files: dict[str, Any]) -> tuple[int, list[Row], dict[str, Any]]:
    comparison = read_json(files["comparison"])
    metrics = {name: read_json(path) for name, path in files["metrics"].items()}
    train = int(read_json(files["windows"])["splits"]["train"]["rows"])
    return train, rows(metrics, {}, comparison), comparison


def _running(metrics: dict[str, str]) -> list[str]:
    """Return a table: moments by models, means over seeds."""
    models = by_model(list(metrics))
    lines = [
        "| after k events, still running | sessions | buyers | "
        + " | ".join(map(display_name, models))
        + " |",
        "|--:" * (3 + len(models)) + "|",
    ]
    read = {
        name: {line["steps"]: line for line in read_json(Path(path))["by_steps"]}
        for name, path in metrics.items()
    }
    for step, line in next(iter(read.values())).items():
        if line["auc"] is None or line["buyers"] < FEWEST:
            continue
        cells = [str(step), f"{line['sessions']:,}", f"{line['buyers']:,}"]
        for names in models.values():
            cells.append(f"{np.mean([read[name][step]['auc']['value'] for name in names]):.4f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _figures(row: Row, comparison: dict[str, Any]) -> list[str]:
    if row.auc is None or row.low is None or row.high is None:
        return [row.reason or "", *[""] * 5]
    found = [f"{row.auc:.4f}", f"{row.low:.4f} to {row.high:.4f}"]
    if row.to_oracle is None or row.to_oracle_low is None or row.to_oracle_high is None:
        found += ["", ""]
    else:
        found += [f"{-row.to_oracle:.4f}", f"{-row.to_oracle_high:.4f} to {-row.to_oracle_low:.4f}"]
    pairs = [
        (sign * pair["difference"], pair["p"])
        for pair in comparison["pairs"]
        for one, other, sign in ((pair["first"], pair["second"], 1), (pair["second"], pair["first"], -1))
        if (model_of(one), model_of(other)) == (row.model, BASELINE)
    ]
    if row.is_oracle or not pairs:
        return [*found, "", ""]
    difference, p = pairs[0]
    return [*found, f"{difference:+.4f}", f"{p:.2g}" if p > 1e-99 else "below 1e-99"]


def _probabilities(row: Row, best: float | None) -> list[str]:
    slope = row.calibration["slope"]
    return [
        "" if best is None or row.is_oracle else f"{row.log_loss / best - 1:+.1%}",
        "" if slope is None else f"{slope['value']:.3f}",
    ]
