"""Learning curves of the text models: bits per character by epoch."""

from pathlib import Path

from rabbithole.artifacts.text import TextHistory
from rabbithole.report.figures.style import QUIET, legend_outside, svg_figure
from rabbithole.report.runs import colour, display_name, read_by_model
from rabbithole.specs.report import FigureStyle

DASHED = (0, (3, 2))


def alice_learning(*, histories: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw bits per character by epoch as SVG, on held-out text (solid) and on the training text (dashed).

    histories: history.json by model.
    """
    with svg_figure(output, style, title="Bits per character by epoch") as axes:
        for model, seeds in read_by_model(histories, TextHistory).items():
            for history in seeds:
                x = [row.epoch for row in history.epochs]
                held_out = [row.held_out_bits for row in history.epochs]
                marker = {"marker": "o", "markersize": 4}
                axes.plot(x, held_out, color=colour(model), label=display_name(model), **marker)
                train = [row.loss for row in history.epochs]
                axes.plot(x, train, color=colour(model), linestyle=DASHED, linewidth=1.2)
        for label, dash in (("held out", "-"), ("train", DASHED)):
            axes.plot([], [], color=QUIET, linestyle=dash, label=label)
        axes.set(xlabel="Epoch", ylabel="Bits per character")
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend_outside(axes)
