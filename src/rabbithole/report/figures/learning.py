"""Learning curves of the purchase models: loss and valid AUC by epoch."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rabbithole.artifacts.training import History
from rabbithole.report.figures.style import QUIET, legend_outside, svg_figure, write_note
from rabbithole.report.runs import colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle

SOLID, DASHED = "-", (0, (3, 2))
MODELS_PER_ROW = 3
"""Models side by side."""

ONE_GO = "fit"
"""Unit of the history of a model that is fitted in one go."""

LineStyle = str | tuple[int, tuple[int, int]]


def learning(*, histories: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw loss (above) and valid AUC (below) by epoch as SVG, three models side by side.

    Models have columns of their own, as their epochs differ. Valid loss is dashed. A dot marks the epoch
    whose weights were kept. Models that are fitted in one go have no curve. histories: history.json by run.
    """
    groups = [
        (model, seeds)
        for model, seeds in read_by_model(histories, History).items()
        if seeds[0].unit != ONE_GO
    ]
    columns, blocks = max(1, min(len(groups), MODELS_PER_ROW)), max(1, -(-len(groups) // MODELS_PER_ROW))
    figure = svg_figure(
        output, style, title="Learning curves", height=0.72 * blocks, rows=2 * blocks, columns=columns
    )
    with figure as panels:
        panels = panels.reshape(blocks, 2, columns)
        above, below = panels[:, 0].ravel(), panels[:, 1].ravel()
        for axes in (*above[len(groups) :], *below[len(groups) :]):
            axes.set_axis_off()
        if not groups:
            write_note(above[0], "All models are fitted in one go")
            return
        above, below = above[: len(groups)], below[: len(groups)]
        for top, bottom, (model, seeds) in zip(above, below, groups, strict=True):
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
        low = min(axis.get_ylim()[0] for axis in below)
        high = max(axis.get_ylim()[1] for axis in below)
        # Room for the dots of the best epochs.
        room = 0.06 * (high - low)
        for number, (top, bottom) in enumerate(zip(above, below, strict=True)):
            is_first = number % columns == 0
            bottom.set_ylim(low - room, high + room)
            bottom.tick_params(labelleft=is_first)
            if is_first:
                top.set_ylabel("Loss")
                bottom.set_ylabel("Valid AUC")
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
