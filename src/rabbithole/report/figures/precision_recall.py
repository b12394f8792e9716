"""Precision by recall: it shows what the AUC hides when buyers are rare."""

from pathlib import Path

import numpy as np

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.report.figures.style import (
    QUIET,
    legend_outside,
    line_style,
    log_ticks,
    percent_ticks,
    svg_figure,
)
from rabbithole.report.runs import display_name, read_by_model
from rabbithole.specs.report import FigureStyle


def precision_recall(*, metrics: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw one precision-recall curve per run as SVG, precision on a log scale.

    The legend gives each model's average precision, averaged over seeds. metrics: metrics.json by run.
    """
    groups = {
        model: [seed for seed in seeds if seed.precision_recall and seed.average_precision is not None]
        for model, seeds in read_by_model(metrics, Metrics).items()
    }
    groups = {model: seeds for model, seeds in groups.items() if seeds}
    with svg_figure(output, style, title="Precision and recall") as axes:
        share = float(np.mean([seeds[0].share for seeds in groups.values()])) if groups else 0.1
        for model, seeds in groups.items():
            precision = np.mean([seed.average_precision for seed in seeds])
            label = f"{display_name(model)}  {precision:.3f}"
            for seed in seeds:
                assert seed.precision_recall is not None
                recall, precisions = np.array(seed.precision_recall.recall), seed.precision_recall.precision
                # At recall 0 precision is 0, or 1 by convention: neither is worth a line.
                drawn = recall > 0
                axes.plot(recall[drawn], np.array(precisions)[drawn], label=label, **line_style(model))
                label = ""
        axes.axhline(share, color=QUIET, linewidth=0.9, linestyle=":", label=f"Chance  {share:.3f}")
        # The limits first: matplotlib finds none where all precisions are equal.
        axes.set(xlim=(0, 1), ylim=(share * 0.7, 1.1))
        axes.set(yscale="log", xlabel="Recall", ylabel="Precision")
        log_ticks(axes, "y")
        percent_ticks(axes, "x", "y")
        legend_outside(axes, title="Average precision")
