"""How early a buyer can be told: AUC of running sessions by events seen."""

from pathlib import Path
from typing import Any

from matplotlib.ticker import NullLocator

from rabbithole.report.figures.style import Style, colour, drawing, line
from rabbithole.report.runs import ORACLE, display_name, mean, read_by_model


def early(*, metrics: dict[str, Path], output: Path, style: Style) -> None:
    """Draw the AUC after the first k events with its 95 % interval as SVG.

    `metrics`: score name -> metrics.json. With several seeds the line and the interval's ends are their
    means. The second line of the axis gives the buyers among the sessions that got that far.
    """
    groups = {model: _by_steps(found) for model, found in read_by_model(metrics).items()}
    buyers = {k: rows[0]["buyers"] for steps in groups.values() for k, rows in steps.items()}
    with drawing(output, style, title="AUC by events seen") as axes:
        axes.set_xscale("log")
        for place, (model, steps) in enumerate(groups.items()):
            if not steps:
                continue
            auc = {end: [mean(row["auc"][end] for row in rows) for rows in steps.values()] for end in _ENDS}
            if model == ORACLE:
                axes.plot(list(steps), auc["value"], label=display_name(model), **line(model))
                continue
            # Set apart a little, or intervals would hide one another.
            x = [k * 1.035 ** (place - (len(groups) - 1) / 2) for k in steps]
            axes.plot(x, auc["value"], label=display_name(model), marker="o", markersize=4, **line(model))
            axes.vlines(x, auc["low"], auc["high"], color=colour(model), linewidth=1.2, alpha=0.55)
        ticks = sorted(buyers)
        axes.set_xticks(ticks, [f"{k}\n{_short(buyers[k])}" for k in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="Events seen (below: buyers among the sessions that got that far)")
        axes.set(ylabel="AUC, will it still buy?")
        if buyers:
            axes.legend(loc="best")
        else:
            axes.text(0.5, 0.5, "Too few buyers", transform=axes.transAxes, ha="center")


_ENDS = ("value", "low", "high")


def _by_steps(metrics: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Return by number of events the rows of all seeds that have an AUC."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for one in metrics:
        for row in one["by_steps"]:
            if row["auc"]:
                rows.setdefault(row["steps"], []).append(row)
    return rows


def _short(number: int) -> str:
    """Write a number in at most four characters or so: 950, 1.2k, 34k."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 10_000 else f"{number / 1000:.0f}k"
