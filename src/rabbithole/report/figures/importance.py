"""Which fields the models lean on: the AUC that each loses when a field comes from another session."""

from pathlib import Path

from rabbithole.report.figures.style import QUIET, Style, colour, drawing
from rabbithole.report.runs import display_name, field_name, read_by_model


def importance(*, explanations: dict[str, Path], output: Path, style: Style) -> None:
    """Draw the AUC lost by field with its 95 % interval as SVG, the most telling field on top.

    `explanations`: score name -> explanation.json.
    """
    models = {
        model: {row["field"]: row["auc_lost"] for row in found[0]["fields"] if row["auc_lost"]}
        for model, found in read_by_model(explanations).items()
    }
    models = {model: fields for model, fields in models.items() if fields}
    with drawing(output, style, title="Which fields the models lean on") as axes:
        if not models:
            axes.text(0.5, 0.5, "Too few buyers", transform=axes.transAxes, ha="center")
            return
        first = next(iter(models.values()))
        fields = sorted(first, key=lambda field: max(one[field]["value"] for one in models.values()))
        height = 0.8 / len(models)
        for place, (model, lost) in enumerate(models.items()):
            # The first model is the topmost bar of each field, as in the legend.
            y = [number + 0.4 - (place + 0.5) * height for number in range(len(fields))]
            axes.barh(
                y,
                [lost[field]["value"] for field in fields],
                height * 0.86,
                color=colour(model),
                alpha=0.5,
                label=display_name(model),
            )
            ends = [[lost[field][end] for field in fields] for end in ("low", "high")]
            axes.hlines(y, *ends, color=colour(model), linewidth=1.6)
        axes.axvline(0.0, color=QUIET, linewidth=0.9)
        axes.set_yticks(range(len(fields)), [field_name(field) for field in fields])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="AUC lost when the field comes from another session")
        axes.legend(loc="lower right")
