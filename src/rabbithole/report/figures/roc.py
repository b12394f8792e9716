"""ROC curves of one data set: every model, the oracle, and chance."""

from pathlib import Path

import numpy as np

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.report.figures.style import QUIET, legend_outside, line_style, percent_ticks, svg_figure
from rabbithole.report.runs import display_name, read_by_model
from rabbithole.specs.report import FigureStyle


def roc(*, metrics: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw one ROC curve per run as SVG; the legend gives each model's AUC, averaged over seeds.

    metrics: metrics.json by run.
    """
    with svg_figure(output, style, title="ROC curves") as axes:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":")
        for model, seeds in read_by_model(metrics, Metrics).items():
            curves = [(seed.auc.value, seed.roc) for seed in seeds if seed.auc and seed.roc]
            label = f"{display_name(model)}  {np.mean([auc for auc, _ in curves]):.3f}" if curves else ""
            for _, curve in curves:
                axes.plot(curve.false_positive, curve.true_positive, label=label, **line_style(model))
                label = ""
        axes.plot([], [], color=QUIET, linewidth=0.9, linestyle=":", label="Chance  0.500")
        axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="False positive rate", ylabel="True positive rate")
        percent_ticks(axes, "x", "y")
        legend_outside(axes, title="AUC")
