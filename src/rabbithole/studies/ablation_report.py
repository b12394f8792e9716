"""Writes the ablations of all data sets as Markdown."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rabbithole.artifacts.studies import Ablation, PrefixComparison, VariantMetrics
from rabbithole.io.atomic import atomic_write
from rabbithole.report.runs import display_name


def ablation_tables(*, ablations: dict[str, dict[str, Path]], output: Path) -> None:
    """Write two tables for each data set and network; ablations: ablation.json by data set and network."""
    lines = ["# Balance and augmentation", ""]
    for dataset, networks in ablations.items():
        for network, path in networks.items():
            study = Ablation.read(path)
            lines += [f"## {dataset}, {display_name(network)}", ""]
            lines += [*_variant_table(study), "", *_prefix_table(study.prefixes), ""]
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")


def _variant_table(study: Ablation) -> list[str]:
    """Return a row per variant: means over its seeds, and the standard deviation of the AUC."""
    lines = [
        "| balance or augmentation | seeds | AUC | standard deviation | average precision | log loss "
        "| above the oracle's | calibration slope |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in dict.fromkeys(variant.name for variant in study.variants):
        seeds = [variant for variant in study.variants if variant.name == name]
        lines.append(_row(name, str(len(seeds)), seeds, study.oracle))
    if study.oracle:
        lines.append(_row("oracle", "", [study.oracle], None))
    return lines


def _row(name: str, seeds: str, metrics: Sequence[VariantMetrics], oracle: VariantMetrics | None) -> str:
    aucs = [seed.auc.value for seed in metrics if seed.auc]
    precisions = [seed.average_precision for seed in metrics if seed.average_precision is not None]
    slopes = [seed.calibration.slope.value for seed in metrics if seed.calibration.slope]
    log_loss = np.mean([seed.log_loss for seed in metrics])
    cells = [
        name,
        seeds,
        f"{np.mean(aucs):.4f}" if aucs else "",
        f"{np.std(aucs, ddof=1):.4f}" if len(aucs) > 1 else "",
        f"{np.mean(precisions):.4f}" if precisions else "",
        f"{log_loss:.5f}",
        f"{log_loss / oracle.log_loss - 1:+.2%}" if oracle else "",
        f"{np.mean(slopes):.3f}" if len(slopes) == len(metrics) else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _prefix_table(prefixes: Sequence[PrefixComparison]) -> list[str]:
    """Return a row per prefix length."""
    lines = [
        "| events seen | running sessions | buyers | AUC of one network for all prefixes "
        "| AUC of a network for this prefix | difference | 95 % interval |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return lines + [
        f"| {row.steps} | {row.sessions:,} | {row.buyers:,} | {row.auc:.4f} | {row.single:.4f} "
        f"| {row.difference:+.4f} | {row.low:+.4f} to {row.high:+.4f} |"
        for row in prefixes
    ]
