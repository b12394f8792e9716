"""Whether the scores can be taken for probabilities."""

from pathlib import Path

import numpy as np

from rabbithole.report.figures.style import QUIET, Style, colour, drawing, few_ticks, line, percent
from rabbithole.report.runs import ORACLE, display_name, read_by_model, with_curve


def reliability(*, metrics: dict[str, Path], output: Path, style: Style) -> None:
    """Draw the share of buyers by mean score of `metrics` (score name -> metrics.json) as SVG, log scales.

    A bin without a buyer has no place on a log scale: only the upper end of its interval is drawn.
    """
    groups = dict(with_curve(read_by_model(metrics), "reliability"))
    with drawing(output, style, title="Calibration") as axes:
        scores = [
            row["mean_score"] for found in groups.values() for one in found for row in one["reliability"]
        ]
        low = max(min(scores, default=0.01), 1e-5) * 0.6
        axes.plot([low, 1], [low, 1], color=QUIET, linewidth=0.9, linestyle=":", label="Perfect")
        for model, found in groups.items():
            label = display_name(model)
            for one in found:
                bins = [row for row in one["reliability"] if row["mean_score"] > 0]
                x = np.array([row["mean_score"] for row in bins])
                share = np.array([row["share"] or np.nan for row in bins])
                ends = [np.maximum([row[end] for row in bins], low * 0.5) for end in ("low", "high")]
                look = line(model) | {"linewidth": 1.3}
                marker = {"marker": "", "alpha": 0.9} if model == ORACLE else {"marker": "o", "markersize": 4}
                axes.plot(x, share, label=label, **look, **marker)
                if model != ORACLE:
                    axes.vlines(x, *ends, color=colour(model), linewidth=1, alpha=0.5)
                label = ""
        high = min(1.0, max(scores, default=1.0) * 2)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low * 0.5, high))
        axes.set(xlabel="Predicted probability of buying", ylabel="Share that bought")
        few_ticks(axes, "x", "y")
        percent(axes, "x", "y")
        axes.legend(loc="upper left")
