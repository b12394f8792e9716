"""Importance of fields: the AUC that each model loses when a field comes from another session."""

from pathlib import Path

from rabbithole.artifacts.evaluation import Explanation
from rabbithole.report.figures.style import QUIET, data_label, legend_outside, svg_figure, write_note
from rabbithole.report.runs import colour, display_name, field_name, read_by_model
from rabbithole.specs.report import FigureStyle


def importance(*, explanations: dict[str, Path], output: Path, style: FigureStyle) -> None:
    """Draw the AUC lost by field with its 95 % interval as SVG, the most important field on top.

    explanations: explanation.json by run.
    """
    models = {
        model: {row.field: row.auc_lost for row in seeds[0].fields if row.auc_lost}
        for model, seeds in read_by_model(explanations, Explanation).items()
    }
    models = {model: fields for model, fields in models.items() if fields}
    bars = sum(len(fields) for fields in models.values())
    with svg_figure(output, style, title="Importance of fields", height=max(0.4, 0.025 * bars)) as axes:
        if not models:
            write_note(axes, "Too few buyers")
            return
        first = next(iter(models.values()))
        fields = sorted(first, key=lambda field: max(losses[field].value for losses in models.values()))
        height = 0.8 / len(models)
        for place, (model, losses) in enumerate(models.items()):
            # The first model is the topmost bar of each field, as in the legend.
            y = [number + 0.4 - (place + 0.5) * height for number in range(len(fields))]
            values = [losses[field].value for field in fields]
            look = {"color": colour(model), "alpha": 0.5, "label": display_name(model)}
            axes.barh(y, values, height * 0.86, **look)
            low, high = [losses[field].low for field in fields], [losses[field].high for field in fields]
            axes.hlines(y, low, high, color=colour(model), linewidth=1.6)
        axes.axvline(0.0, color=QUIET, linewidth=0.9)
        axes.set_yticks(range(len(fields)), [data_label(field_name(field)) for field in fields])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="AUC lost when the field comes from another session")
        legend_outside(axes)
