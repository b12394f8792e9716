"""Learning curves of the purchase models: loss and valid AUC by epoch."""

from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from rabbithole.report.figures.style import QUIET, Style, colour, drawing
from rabbithole.report.runs import display_name, read_by_model


def learning(*, histories: dict[str, Path], output: Path, style: Style) -> None:
    """Draw loss (above) and valid AUC (below) by epoch for `histories` (score name -> history.json) as SVG.

    A column per model, as an epoch of one is not an epoch of another. Valid loss is dashed; a dot marks the
    epoch whose weights were kept.
    """
    groups = read_by_model(histories)
    with drawing(output, style, title="Learning curves", rows=2, columns=max(len(groups), 1)) as axes:
        above, below = axes.reshape(2, -1)
        for column, (model, found) in enumerate(groups.items()):
            top, bottom = above[column], below[column]
            for history in found:
                x = [row["epoch"] for row in history["epochs"]]
                _plot(top, x, history, "loss", model, "-")
                _plot(top, x, history, "valid_loss", model, (0, (3, 2)))
                _plot(bottom, x, history, "valid_auc", model, "-")
                _mark(bottom, history, model)
            top.set_title(display_name(model))
            top.sharex(bottom)
            top.tick_params(labelbottom=False)
            bottom.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
            bottom.set_xlabel(_unit(found))
        above[0].set_ylabel("Loss")
        below[0].set_ylabel("Valid AUC")
        low = min((axis.get_ylim()[0] for axis in below), default=0)
        high = max((axis.get_ylim()[1] for axis in below), default=1)
        for axis in below:
            axis.set_ylim(low, high)
        for label, dash in (("train", "-"), ("valid", (0, (3, 2)))):
            above[-1].plot([], [], color=QUIET, linestyle=dash, linewidth=1.5, label=label)
        above[-1].legend(loc="upper right")


def _plot(axis: Any, x: list[int], history: dict[str, Any], key: str, model: str, dash: Any) -> None:
    """Draw one quantity by epoch; an epoch without it leaves a gap."""
    y = [float("nan") if row.get(key) is None else row[key] for row in history["epochs"]]
    marker = "o" if len(x) == 1 else ""
    axis.plot(x, y, color=colour(model), linestyle=dash, linewidth=1.5, marker=marker, markersize=3)


def _mark(axis: Any, history: dict[str, Any], model: str) -> None:
    """Mark the best epoch."""
    best = next((row for row in history["epochs"] if row["epoch"] == history["best_epoch"]), None)
    if best and best.get("valid_auc") is not None:
        axis.plot([best["epoch"]], [best["valid_auc"]], "o", color=colour(model), markersize=5)


def _unit(histories: list[dict[str, Any]]) -> str:
    """Say what is counted along the axis: "Epoch" unless the history names its unit."""
    return str(histories[0].get("unit", "epoch")).capitalize()
