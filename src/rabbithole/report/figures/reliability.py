"""Calibration: observed share of buyers by predicted probability."""

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
from rabbithole.report.runs import ORACLE, colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle


def reliability(*, metrics: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw the share of buyers by mean score for each run as SVG, with 95 % intervals, on log scales.

    A bin without a buyer has no place on a log scale: only the upper end of its interval is drawn.
    metrics: metrics.json by run.
    """
    models = read_by_model(metrics, Metrics)
    with svg_figure(output, style, title="Calibration") as axes:
        scores = [row.mean_score for seeds in models.values() for seed in seeds for row in seed.reliability]
        low = max(min(scores, default=0.01), 1e-5) * 0.6
        axes.plot([low, 1], [low, 1], color=QUIET, linewidth=0.9, linestyle=":", label="Perfect")
        for model, seeds in models.items():
            label = display_name(model)
            marker = {"marker": "", "alpha": 0.9} if model == ORACLE else {"marker": "o", "markersize": 4}
            for seed in seeds:
                if not seed.reliability:
                    continue
                rows = [row for row in seed.reliability if row.mean_score > 0]
                x = np.array([row.mean_score for row in rows])
                share = np.array([row.share or np.nan for row in rows])
                axes.plot(x, share, label=label, **line_style(model) | {"linewidth": 1.3}, **marker)
                if model != ORACLE:
                    bottom = np.maximum([row.low for row in rows], low * 0.5)
                    top = np.maximum([row.high for row in rows], low * 0.5)
                    axes.vlines(x, bottom, top, color=colour(model), linewidth=1, alpha=0.5)
                label = ""
        high = min(1.0, max([*scores, low]) * 2) if scores else 1.0
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low * 0.5, high))
        axes.set(xlabel="Predicted probability of a purchase", ylabel="Observed share of buyers")
        log_ticks(axes, "x", "y")
        percent_ticks(axes, "x", "y")
        legend_outside(axes)
