"""Cumulative gain: the share of buyers that a campaign reaches if it contacts the highest scores first."""

from pathlib import Path

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.report.figures.style import QUIET, legend_outside, line_style, percent_ticks, svg_figure
from rabbithole.report.runs import ORACLE, colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle


def gain(*, metrics: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw the share of buyers reached by the share of sessions contacted as SVG.

    The band is the 95 % interval of each model's first seed. metrics: metrics.json by run.
    """
    with svg_figure(output, style, title="Cumulative gain") as axes:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":", label="At random")
        for model, seeds in read_by_model(metrics, Metrics).items():
            label = display_name(model)
            for number, seed in enumerate(seeds):
                curve = seed.gain
                if not curve.addressed:
                    continue
                axes.plot(curve.addressed, curve.reached, label=label, **line_style(model))
                if model != ORACLE and number == 0:
                    band = {"color": colour(model), "alpha": 0.09, "linewidth": 0}
                    axes.fill_between(curve.addressed, curve.low, curve.high, **band)
                label = ""
        axes.set(xlim=(0, 1), ylim=(0, 1.005))
        axes.set(xlabel="Sessions contacted, highest scores first", ylabel="Buyers reached")
        percent_ticks(axes, "x", "y")
        legend_outside(axes)
