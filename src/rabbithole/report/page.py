"""The report: one self-contained HTML page, and a summary as text."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from rabbithole.io.atomic import atomic_write
from rabbithole.report.alice import AliceSection, alice_section
from rabbithole.report.contents import Entry
from rabbithole.report.dataset import DatasetSection, dataset_section
from rabbithole.report.headline import Row
from rabbithole.report.next_event import NextEventSection, next_event_section
from rabbithole.report.runs import name_in_sentence
from rabbithole.report.wording import FILTERS, NONE, interval, metric, plural, share
from rabbithole.specs.report import PageSpec


@dataclass(frozen=True)
class RuleTime:
    """The jobs of one rule: seconds in total and of the longest job; memory: peak in MB, None if unknown."""

    rule: str
    jobs: int
    seconds: float
    longest: float
    memory: float | None


def rule_times(benchmarks: Path) -> list[RuleTime]:
    """Return the times of all rules, the slowest rule first.

    `benchmarks` holds `{rule}.tsv` or `{rule}/...tsv`. A folder that does not exist gives no rows.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        files.setdefault(rule, []).append(path)
    times = [_rule_time(rule, paths) for rule, paths in files.items()]
    return sorted(times, key=lambda time: (-time.seconds, time.rule))


def _rule_time(rule: str, paths: list[Path]) -> RuleTime:
    jobs: list[dict[str, str]] = []
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            jobs += csv.DictReader(file, delimiter="\t")
    seconds = [_number(job.get("s")) or 0.0 for job in jobs]
    memory = [number for job in jobs if (number := _number(job.get("max_rss"))) is not None]
    return RuleTime(rule, len(jobs), sum(seconds), max(seconds, default=0.0), max(memory, default=None))


def _number(text: str | None) -> float | None:
    """Return a number of a benchmark file; Snakemake writes NA or - where it could not measure."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _best_words(best: Row | None) -> str:
    """Return what the mark of the best model means; see `best` of `rabbithole.report.headline`."""
    if best is None:
        return ""
    return ", * the best model on valid" if best.valid_auc is not None else ", * the best model on test"


def summary_lines(
    datasets: list[DatasetSection],
    next_events: list[NextEventSection],
    alice: AliceSection | None,
    report: Path,
) -> list[str]:
    """Return the main metrics as lines for a terminal of 80 columns; the last has the report's path."""
    lines = []
    width = max((len(row.name) for section in datasets for row in section.rows), default=0)
    for dataset in datasets:
        buyers, sessions = dataset.rows[0].buyers, dataset.rows[0].sessions
        shop = f"{dataset.name} (simulated)" if dataset.simulated else dataset.name
        lines.append(f"{shop}: {plural(buyers, 'buyer')} in {plural(sessions, 'test session')}")
        lines += wrap(dataset.answer or "", 79, initial_indent="  ", subsequent_indent="  ")
        seeds = f", mean of {dataset.seeds} seeds" if dataset.seeds > 1 else ""
        lines.append(f"  Ended sessions{seeds}{_best_words(dataset.best)}:")
        for row in dataset.rows:
            mark = "*" if row is dataset.best else " "
            if row.auc is None:
                lines.append(f"{mark} {row.name:<{width}}  AUC {NONE} ({row.reason})")
                continue
            lines.append(
                f"{mark} {row.name:<{width}}  AUC {metric(row.auc)} {interval(row.low, row.high)}  "
                f"top 5 %: {share(row.reached)} of buyers"
            )
        if dataset.no_oracle:
            lines.append(f"  {dataset.no_oracle}")
    for section in next_events:
        width = max(len(row.name) for row in section.rows)
        lines.append(f"{section.name}: {plural(section.event_predictions, 'prediction')} of the next event")
        for model in section.rows:
            category = f"  category {metric(model.category.cross_entropy)}" if model.category else ""
            lines.append(
                f"  {model.name:<{width}}  cross-entropy {metric(model.event.cross_entropy)}  "
                f"accuracy {share(model.event.top_1)}{category}"
            )
    for text in alice.models if alice else []:
        bits = text.metrics.bits_per_character
        lines.append(f"alice: {text.name}: {bits:.3f} bits per held-out character")
    return [*lines, f"The report: {report}"]


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
        contents=contents(datasets, next_events, alice),
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


def contents(
    datasets: list[DatasetSection], next_events: list[NextEventSection], alice: AliceSection | None
) -> list[Entry]:
    """Return the lines of the contents."""
    return [
        Entry("short", "In short"),
        *(section.entry for section in datasets),
        *(section.entry for section in next_events),
        *([Entry("alice", "Alice")] if alice else []),
        Entry("run", "About this run"),
    ]


def auc_axis(datasets: list[DatasetSection]) -> tuple[float, float]:
    """Return the ends of a scale that contains all AUC intervals, as multiples of 0.05."""
    rows = [row for section in datasets for row in section.rows]
    low = min((row.low for row in rows if row.low is not None), default=0.5)
    high = max((row.high for row in rows if row.high is not None), default=1.0)
    return max(0.0, int(low * 20) / 20), min(1.0, (int(high * 20) + 1) / 20)
