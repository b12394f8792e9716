"""The Markdown tables of the studies: leak probes, ablation, distance to the oracle."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rabbithole.artifacts.data import WindowsManifest
from rabbithole.artifacts.evaluation import Comparison, Metrics
from rabbithole.artifacts.studies import Ablation, LeakProbes, PrefixComparison, VariantMetrics
from rabbithole.io.atomic import atomic_write
from rabbithole.report.headline import Row, rows
from rabbithole.report.runs import by_model, display_name, model_of
from rabbithole.specs.evaluation import OracleGapSources


def leak_tables(*, probes: dict[str, Path], output: Path) -> None:
    """Write the findings and a table of probes for each data set; probes: leak_probes.json by data set."""
    lines = ["# Leak probes", ""]
    for dataset, path in probes.items():
        study = LeakProbes.read(path)
        lines += [f"## {dataset}", ""]
        lines += [f"- **{sentence}**" for sentence in study.findings] or ["Nothing suspicious."]
        lines += ["", "| the network sees | AUC | 99 % interval | test sessions |", "|---|--:|--:|--:|"]
        lines += [
            f"| {probe.name} | {probe.auc:.3f} | {probe.low:.3f} to {probe.high:.3f} | {probe.sessions:,} |"
            for probe in study.probes
        ]
        lines.append("")
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")


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


BASELINE = "gradient_boosting"

MIN_BUYERS = 100
"""Buyers among the running sessions that a row of their table needs."""


def oracle_gap_tables(*, datasets: dict[str, OracleGapSources], output: Path) -> None:
    """Write a table with a row per data set and model, and a table of running sessions per data set.

    Data sets come in the order of their numbers of train sessions.
    """
    sizes = {
        name: WindowsManifest.read(Path(sources.windows)).splits["train"].rows
        for name, sources in datasets.items()
    }
    lines = [
        "# Distance to the oracle",
        "",
        "| data set | train sessions | test sessions | buyers | model | AUC | 95 % interval "
        "| below the oracle | 95 % interval | above gradient boosting | p | log loss above the oracle's "
        "| calibration slope |",
        "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    running = ["", "## Running sessions"]
    for name in sorted(sizes, key=sizes.__getitem__):
        sources = datasets[name]
        metrics = {run: Metrics.read(Path(path)) for run, path in sources.metrics.items()}
        comparison = Comparison.read(Path(sources.comparison))
        lines += _model_lines(name, sizes[name], metrics, comparison)
        running += ["", f"{name}:", "", *_running_table(metrics)]
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines + running) + "\n", "utf-8")


def _model_lines(
    name: str, train_sessions: int, metrics: dict[str, Metrics], comparison: Comparison
) -> list[str]:
    models = rows(metrics, {}, comparison)
    oracle_loss = next((row.log_loss for row in models if row.is_oracle), None)
    return [
        _line(
            name,
            f"{train_sessions:,}",
            f"{row.sessions:,}",
            f"{row.buyers:,}",
            row.name,
            *_auc_cells(row),
            *_baseline_cells(row, comparison),
            "" if oracle_loss is None or row.is_oracle else f"{row.log_loss / oracle_loss - 1:+.1%}",
            "" if row.calibration.slope is None else f"{row.calibration.slope.value:.3f}",
        )
        for row in models
    ]


def _auc_cells(row: Row) -> list[str]:
    """Return the AUC with its interval, and how far it is below the oracle's, with the interval of that."""
    if row.auc is None or row.low is None or row.high is None:
        return [row.reason or "", "", "", ""]
    cells = [f"{row.auc:.4f}", f"{row.low:.4f} to {row.high:.4f}"]
    if row.to_oracle is None or row.to_oracle_low is None or row.to_oracle_high is None:
        return [*cells, "", ""]
    return [*cells, f"{-row.to_oracle:.4f}", f"{-row.to_oracle_high:.4f} to {-row.to_oracle_low:.4f}"]


def _baseline_cells(row: Row, comparison: Comparison) -> list[str]:
    """Return how far the AUC of the first seed is above the baseline's, and the p-value."""
    if row.auc is None or row.is_oracle:
        return ["", ""]
    for pair in comparison.pairs:
        models = model_of(pair.first), model_of(pair.second)
        if models in ((row.model, BASELINE), (BASELINE, row.model)):
            difference = pair.difference if models[0] == row.model else -pair.difference
            return [f"{difference:+.4f}", f"{pair.p:.2g}" if pair.p > 1e-99 else "below 1e-99"]
    return ["", ""]


def _running_table(metrics: dict[str, Metrics]) -> list[str]:
    """Return a table of AUCs of running sessions: events seen by models, means over seeds."""
    models = by_model(list(metrics))
    lines = [
        _line("events seen", "running sessions", "buyers", *map(display_name, models)),
        "|--:" * (3 + len(models)) + "|",
    ]
    by_steps = {run: {row.steps: row for row in metrics[run].by_steps} for run in metrics}
    for steps, row in next(iter(by_steps.values())).items():
        if row.auc is None or row.buyers < MIN_BUYERS:
            continue
        aucs = [[by_steps[run][steps].auc for run in runs] for runs in models.values()]
        means = [
            f"{np.mean([auc.value for auc in seeds if auc]):.4f}" if all(seeds) else "" for seeds in aucs
        ]
        lines.append(_line(str(steps), f"{row.sessions:,}", f"{row.buyers:,}", *means))
    return lines


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
