"""The ROC curves of one data set: every model, the oracle, and chance."""

from pathlib import Path

from rabbithole.report.figures.style import QUIET, Style, drawing, line, percent
from rabbithole.report.runs import display_name, mean, read_by_model, with_curve


def roc(*, metrics: dict[str, Path], output: Path, style: Style) -> None:
    """Draw ROC curves as SVG, a line per seed, the AUC (mean of seeds) in the legend.

    `metrics`: score name -> metrics.json.
    """
    with drawing(output, style, title="ROC curves") as axes:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":")
        for model, found in with_curve(read_by_model(metrics), "roc"):
            label = f"{display_name(model)}  {mean(one['auc']['value'] for one in found):.3f}"
            for one in found:
                curve = one["roc"]
                axes.plot(curve["false_positive"], curve["true_positive"], label=label, **line(model))
                label = ""
        axes.plot([], [], color=QUIET, linewidth=0.9, linestyle=":", label="Chance  0.500")
        axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="Non-buyers taken for buyers", ylabel="Buyers found")
        percent(axes, "x", "y")
        axes.legend(loc="lower right", title="Area under the curve", alignment="left")
