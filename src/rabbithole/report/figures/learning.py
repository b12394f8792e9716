"""Learning curves of the purchase models: loss and valid AUC by epoch."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rabbithole.artifacts.training import History
from rabbithole.report.figures.style import QUIET, legend_outside, svg_figure
from rabbithole.report.runs import colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle

SOLID, DASHED = "-", (0, (3, 2))
LineStyle = str | tuple[int, tuple[int, int]]


def learning(*, histories: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw loss (above) and valid AUC (below) by epoch as SVG, one column per model.

    Models have columns of their own, as their epochs differ. Valid loss is dashed. A dot marks the epoch
    whose weights were kept. histories: history.json by run.
    """
    groups = read_by_model(histories, History)
    columns = max(len(groups), 1)
    # More than three models need more room.
    wide = style.model_copy(update={"width": style.width * max(columns, 3) / 3})
    height = 0.72 * style.width / wide.width
    with svg_figure(output, wide, title="Learning curves", height=height, rows=2, columns=columns) as axes:
        above, below = axes.reshape(2, -1)
        for top, bottom, (model, seeds) in zip(above, below, groups.items(), strict=False):
            for history in seeds:
                epochs = history.epochs
                _plot(top, history, [row.loss for row in epochs], model, SOLID)
                _plot(top, history, [row.valid_loss for row in epochs], model, DASHED)
                _plot(bottom, history, [row.valid_auc for row in epochs], model, SOLID)
                for row in epochs:
                    if row.epoch == history.best_epoch and row.valid_auc is not None:
                        bottom.plot([row.epoch], [row.valid_auc], "o", color=colour(model), markersize=5)
            top.set_title(display_name(model), fontsize=0.8 * style.font_size)
            top.sharex(bottom)
            top.tick_params(labelbottom=False)
            bottom.xaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
            bottom.set_xlabel(seeds[0].unit.capitalize())
        above[0].set_ylabel("Loss")
        below[0].set_ylabel("Valid AUC")
        low = min(axis.get_ylim()[0] for axis in below)
        high = max(axis.get_ylim()[1] for axis in below)
        for axis in below:
            axis.set_ylim(low, high)
            axis.tick_params(labelleft=axis is below[0])
        for label, dash in (("train", SOLID), ("valid", DASHED)):
            above[-1].plot([], [], color=QUIET, linestyle=dash, linewidth=1.5, label=label)
        legend_outside(above[-1])


def _plot(
    axes: Axes, history: History, values: list[float] | list[float | None], model: str, dash: LineStyle
) -> None:
    """Draw one quantity by epoch; an epoch without it leaves a gap."""
    x = [row.epoch for row in history.epochs]
    y = [float("nan") if value is None else value for value in values]
    marker = "o" if len(x) == 1 else ""
    axes.plot(x, y, color=colour(model), linestyle=dash, linewidth=1.5, marker=marker, markersize=3)
