"""Cumulative gain: how many of the buyers a campaign reaches that addresses the highest scores first."""

from pathlib import Path

from rabbithole.report.figures.style import QUIET, Style, colour, drawing, line, percent
from rabbithole.report.runs import ORACLE, display_name, read_by_model


def gain(*, metrics: dict[str, Path], output: Path, style: Style) -> None:
    """Draw the share of buyers reached by the share of sessions addressed as SVG.

    `metrics`: score name -> metrics.json. The band is the 95 % interval of each model's first seed.
    """
    with drawing(output, style, title="Cumulative gain") as axes:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":", label="At random")
        for model, found in read_by_model(metrics).items():
            label = display_name(model)
            for seed, one in enumerate(found):
                curve = one["gain"]
                if not curve["addressed"]:
                    continue
                axes.plot(curve["addressed"], curve["reached"], label=label, **line(model))
                if model != ORACLE and seed == 0:
                    ends = (curve["low"], curve["high"])
                    axes.fill_between(curve["addressed"], *ends, color=colour(model), alpha=0.09, linewidth=0)
                label = ""
        axes.set(xlim=(0, 1), ylim=(0, 1.005))
        axes.set(xlabel="Sessions addressed, highest scores first", ylabel="Buyers reached")
        percent(axes, "x", "y")
        axes.legend(loc="lower right")
