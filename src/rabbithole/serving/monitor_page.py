"""The page of a monitored model, in the style of the report."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes

from rabbithole.artifacts.serving import MonitorReport, PeriodMetrics
from rabbithole.io.atomic import atomic_write, removed_on_error
from rabbithole.report.figures.style import svg_figure, write_note
from rabbithole.serving.drift import MOVED
from rabbithole.serving.folder import load_folder
from rabbithole.serving.monitor import LIFT_TOP, monitor
from rabbithole.specs.data import SparkOptions
from rabbithole.specs.report import FigureStyle
from rabbithole.specs.serving import PredictSpec

HEADLINES = {
    "fine": "The model does what it promised.",
    "recalibrate": "The ranking holds, the probabilities do not: recalibrate.",
    "retrain": "The model ranks worse than it promised: train it again.",
    "unclear": "There are too few sessions with or without a purchase for a verdict.",
}


def monitor_log(
    spec: PredictSpec, *, model: Path, scores: list[Path], spark: SparkOptions, output: Path
) -> None:
    """Compare a model's scores with a later log and write the page, as a step of the workflow."""
    folder = load_folder(model)
    report = monitor(folder, spec.source, scores=scores, spark=spark, max_rejected=spec.max_rejected)
    write_page(report, output)


def write_page(report: MonitorReport, output: Path) -> None:
    """Write the page as one self-contained HTML file, and the report beside it as JSON."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("rabbithole.serving"), PackageLoader("rabbithole.report")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    html = environment.get_template("monitor.html.j2").render(
        report=report,
        headline=HEADLINES[report.verdict],
        moved=MOVED,
        promised_lift=next((row.lift for row in report.promised.lift if row.top == LIFT_TOP), None),
        auc_figure=_figure(report, "AUC by day", _draw_auc),
        share_figure=_figure(report, "Buyers by day: predicted and actual", _draw_shares),
    )
    with atomic_write(output) as temporary:
        temporary.write_text(html, "utf-8")
    with removed_on_error(output):
        report.write(output.with_name(output.name + ".json"))


def _figure(report: MonitorReport, title: str, draw: Callable[[Axes, MonitorReport], None]) -> str:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "figure.svg"
        with svg_figure(path, FigureStyle(width=6.4, font_size=10), title=title, height=0.5) as axes:
            draw(axes, report)
        return path.read_text("utf-8")


def _draw_auc(axes: Axes, report: MonitorReport) -> None:
    known = [day for day in report.days if day.auc is not None]
    promised = report.promised.auc
    if promised is not None:
        axes.axhspan(promised.low, promised.high, color="#2f6fc2", alpha=0.15, linewidth=0)
    if not known:
        write_note(axes, "No day has enough buyers for an AUC.")
        return
    values = [day.auc.value for day in known if day.auc]
    low = [day.auc.value - day.auc.low for day in known if day.auc]
    high = [day.auc.high - day.auc.value for day in known if day.auc]
    axes.errorbar(range(len(known)), values, [low, high], fmt="o", color="#2f6fc2")
    _days(axes, known)
    axes.set(ylabel="AUC of ended sessions")


def _draw_shares(axes: Axes, report: MonitorReport) -> None:
    places = range(len(report.days))
    axes.plot(places, [100 * day.share for day in report.days], "o-", color="#2aa876", label="bought")
    axes.plot(places, [100 * day.expected for day in report.days], "o--", color="#2f6fc2", label="predicted")
    _days(axes, report.days)
    axes.set(ylabel="Share of sessions, %", ylim=(0, None))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def _days(axes: Axes, days: list[PeriodMetrics]) -> None:
    step = max(1, len(days) // 6)
    axes.set_xticks(range(0, len(days), step), [day.day for day in days[::step]])
