"""Precision against recall: what AUC hides when buyers are rare."""

from pathlib import Path

from rabbithole.report.figures.style import QUIET, Style, drawing, few_ticks, line, percent
from rabbithole.report.runs import display_name, mean, read_by_model, with_curve


def precision_recall(*, metrics: dict[str, Path], output: Path, style: Style) -> None:
    """Draw precision by recall of `metrics` (score name -> metrics.json) as SVG, precision on a log scale."""
    groups = dict(with_curve(read_by_model(metrics), "precision_recall"))
    with drawing(output, style, title="Precision and recall") as axes:
        share = mean(found[0]["share"] for found in groups.values()) if groups else 0.1
        for model, found in groups.items():
            label = f"{display_name(model)}  {mean(one['average_precision'] for one in found):.3f}"
            for one in found:
                curve = one["precision_recall"]
                # Before the first buyer is found precision is 0, or 1 by convention: neither is worth a line.
                found_any = [
                    pair for pair in zip(curve["recall"], curve["precision"], strict=True) if pair[0]
                ]
                axes.plot(*zip(*found_any, strict=True), label=label, **line(model))
                label = ""
        axes.axhline(share, color=QUIET, linewidth=0.9, linestyle=":", label=f"Chance  {share:.3f}")
        axes.set_yscale("log")
        axes.set(xlim=(0, 1), ylim=(share * 0.7, 1.1))
        axes.set(xlabel="Buyers found", ylabel="Buyers among those picked")
        few_ticks(axes, "y")
        percent(axes, "x", "y")
        axes.legend(loc="upper right", title="Average precision", alignment="left")
