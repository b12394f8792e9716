"""How early a purchase can be predicted: AUC of running sessions by events seen."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import NullLocator

from rabbithole.artifacts.evaluation import AucInterval, Metrics
from rabbithole.report.figures.style import legend_outside, line_style, svg_figure, write_note
from rabbithole.report.runs import ORACLE, colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle

MAX_INTERVAL_WIDTH = 0.4
"""Width of an interval that says nothing. Points with wider ones are left out where others remain."""


def early(*, metrics: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw the AUC after the first k events with its 95 % interval as SVG.

    With several seeds, the line and the ends of the interval are means over seeds. The second line of the
    axis' labels counts the buyers among the sessions with at least k events. metrics: metrics.json by run.
    """
    buyers: dict[int, int] = {}
    with svg_figure(output, style, title="AUC by events seen") as axes:
        axes.set_xscale("log")
        groups = read_by_model(metrics, Metrics)
        shown = _shown_steps([seed for seeds in groups.values() for seed in seeds])
        for place, (model, seeds) in enumerate(groups.items()):
            aucs: dict[int, list[AucInterval]] = {}
            for row in [row for seed in seeds for row in seed.by_steps]:
                if row.auc and row.steps in shown:
                    aucs.setdefault(row.steps, []).append(row.auc)
                    buyers[row.steps] = row.buyers
            if not aucs:
                continue
            auc = [np.mean([seed.value for seed in seeds]) for seeds in aucs.values()]
            if model == ORACLE:
                axes.plot(list(aucs), auc, label=display_name(model), **line_style(model))
                continue
            # A small shift per model, as intervals would hide one another.
            x = [k * 1.035 ** (place - (len(groups) - 1) / 2) for k in aucs]
            axes.plot(x, auc, label=display_name(model), marker="o", markersize=4, **line_style(model))
            low = [np.mean([seed.low for seed in seeds]) for seeds in aucs.values()]
            high = [np.mean([seed.high for seed in seeds]) for seeds in aucs.values()]
            axes.vlines(x, low, high, color=colour(model), linewidth=1.2, alpha=0.55)
        ticks = sorted(buyers)
        axes.set_xticks(ticks, [f"{k}\n{_short(buyers[k])}" for k in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="Events seen (below: buyers in sessions that long)")
        axes.set(ylabel="AUC: will the session still buy?")
        if buyers:
            legend_outside(axes)
        else:
            write_note(axes, "Too few buyers")


def _shown_steps(metrics: list[Metrics]) -> set[int]:
    """Return the numbers of events after which some run has an informative AUC, or any if none has."""
    widths = [(row.steps, row.auc.high - row.auc.low) for run in metrics for row in run.by_steps if row.auc]
    return {steps for steps, width in widths if width <= MAX_INTERVAL_WIDTH} or {steps for steps, _ in widths}


def _short(number: int) -> str:
    """Write a number in at most four characters or so: 950, 1.2k, 34k."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 10_000 else f"{number / 1000:.0f}k"
