"""The report: one self-contained HTML page, and a summary as text."""

from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from rabbithole.io.atomic import atomic_write
from rabbithole.report.alice import alice_section
from rabbithole.report.dataset import DatasetSection, dataset_section
from rabbithole.report.next_event import next_event_section
from rabbithole.report.rule_times import rule_times
from rabbithole.report.runs import name_in_sentence
from rabbithole.report.summary import summary_lines
from rabbithole.report.wording import FILTERS
from rabbithole.specs.report import PageSpec


def page(spec: PageSpec, *, benchmarks: Path, versions: dict[str, str], output: Path, summary: Path) -> None:
    """Write the report, and its main metrics as text at `summary`.

    The same inputs give the same bytes: no date is written. benchmarks: the folder of Snakemake's benchmark
    files, which need not exist; versions: by library. Raises `UserError` if a file is missing or damaged.
    """
    datasets = [dataset_section(name, sources) for name, sources in spec.datasets.items()]
    next_events = [next_event_section(name, sources) for name, sources in spec.next_events.items()]
    alice = alice_section(spec.alice) if spec.alice else None
    environment = Environment(
        loader=PackageLoader("rabbithole.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(FILTERS, name_in_sentence=name_in_sentence)
    axis_low, axis_high = auc_axis(datasets)
    html = environment.get_template("page.html.j2").render(
        title=spec.title,
        datasets=datasets,
        next_events=next_events,
        alice=alice,
        rule_times=rule_times(benchmarks),
        versions=versions,
        settings=yaml.safe_dump(spec.settings, sort_keys=False),
        axis_low=axis_low,
        axis_high=axis_high,
    )
    with atomic_write(output) as temporary:
        temporary.write_text(html, "utf-8")
    with atomic_write(summary) as temporary:
        temporary.write_text("\n".join(summary_lines(datasets, next_events, alice, output)) + "\n", "utf-8")


def auc_axis(datasets: list[DatasetSection]) -> tuple[float, float]:
    """Return the ends of a scale that contains all AUC intervals, as multiples of 0.05."""
    rows = [row for section in datasets for row in section.rows]
    low = min((row.low for row in rows if row.low is not None), default=0.5)
    high = max((row.high for row in rows if row.high is not None), default=1.0)
    return max(0.0, int(low * 20) / 20), min(1.0, (int(high * 20) + 1) / 20)
