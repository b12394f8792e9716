"""Ways to train, side by side, as Markdown."""

from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.io.atomic import atomic_write, read_json
from rabbithole.report.runs import display_name


def ablation_tables(*, trials: dict[str, dict[str, Path]], output: Path) -> None:
    """Write two tables for each data set and network; `trials`: data set -> network -> trials.json."""
    lines = ["# Ways to train, compared", ""]
    for dataset, networks in trials.items():
        for network, path in networks.items():
            told = read_json(path)
            lines += [
                f"## {dataset}, {display_name(network)}",
                "",
                *_ways(told),
                "",
                *_moments(told["moments"]),
                "",
            ]
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")


def _ways(told: dict[str, Any]) -> list[str]:
    """Return a row a way, each figure the mean over its seeds, AUC with the deviation between them."""
    lines = [
        "| balance or augmentation | seeds | AUC | between seeds | average precision | log loss "
        "| over the oracle's | calibration slope |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    oracle = told["oracle"]
    for name in dict.fromkeys(row["name"] for row in told["ways"]):
        found = [row for row in told["ways"] if row["name"] == name]
        aucs = [row["auc"]["value"] for row in found]
        spread = f"{np.std(aucs, ddof=1):.4f}" if len(aucs) > 1 else ""
        lines.append(_row(name, f"{len(found)}", aucs, spread, found, oracle))
    if oracle:
        lines.append(_row("the oracle", "", [oracle["auc"]["value"]], "", [oracle], None))
    return lines


def _row(
    name: str, seeds: str, aucs: list[float], spread: str, found: list[dict[str, Any]], oracle: Any
) -> str:
    loss = np.mean([row["log_loss"] for row in found])
    over = f"{loss / oracle['log_loss'] - 1:+.2%}" if oracle else ""
    slopes = [row["calibration"]["slope"] for row in found]
    slope = f"{np.mean([one['value'] for one in slopes]):.3f}" if all(slopes) else ""
    precision = np.mean([row["average_precision"] for row in found])
    figures = [f"{np.mean(aucs):.4f}", spread, f"{precision:.4f}", f"{loss:.5f}", over, slope]
    return "| " + " | ".join([name, seeds, *figures]) + " |"


def _moments(moments: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| after k events, still running | sessions | buyers | one network for all k | one for this k alone "
        "| difference | 95 % interval |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return lines + [
        f"| {row['steps']} | {row['sessions']:,} | {row['buyers']:,} | {row['auc']:.4f} | {row['alone']:.4f} "
        f"| {row['difference']:+.4f} | {row['low']:+.4f} to {row['high']:+.4f} |"
        for row in moments
    ]
