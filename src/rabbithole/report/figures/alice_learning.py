"""Learning curves of the two text models: bits per character by epoch."""

from pathlib import Path

from rabbithole.report.figures.style import QUIET, Style, colour, drawing
from rabbithole.report.runs import display_name, read_by_model


def alice_learning(*, histories: dict[str, Path], output: Path, style: Style) -> None:
    """Draw bits per character, held out and on the training text, by epoch, as SVG.

    `histories`: model -> history.json.
    """
    with drawing(output, style, title="Bits per character by epoch", height=0.6) as axes:
        for model, found in read_by_model(histories).items():
            for history in found:
                x = [row["epoch"] for row in history["epochs"]]
                held_out = [row["held_out_bits"] for row in history["epochs"]]
                marker = {"marker": "o", "markersize": 4}
                axes.plot(x, held_out, color=colour(model), label=display_name(model), **marker)
                fitted = [row["loss"] for row in history["epochs"]]
                axes.plot(x, fitted, color=colour(model), linestyle=(0, (3, 2)), linewidth=1.2)
        for label, dash in (("held out", "-"), ("train", (0, (3, 2)))):
            axes.plot([], [], color=QUIET, linestyle=dash, label=label)
        axes.set(xlabel="Epoch", ylabel="Bits per character (less is better)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper right")
