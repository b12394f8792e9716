"""The section on a data set whose target is the purchase."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from rabbithole.artifacts.data import EventsManifest, LeakCheck, LeakChecks, SessionsManifest, WindowsManifest
from rabbithole.artifacts.evaluation import Comparison, Explanation, Interval, Metrics, Ranking
from rabbithole.artifacts.training import History
from rabbithole.report.data_card import DataCard, data_card
from rabbithole.report.explanation import ExplanationSection, explanation_section
from rabbithole.report.headline import Row, best, rows
from rabbithole.report.runs import by_model, run_name
from rabbithole.report.svg import inline_svg
from rabbithole.report.verdict import check_warnings, comparison_sentences, verdict, warnings
from rabbithole.specs.report import DatasetSources

NO_ORACLE_REAL = "there is no oracle, as the intentions of real shoppers are not known"
NO_ORACLE_SIMULATED = "there is no oracle, as the settings change the simulated sessions or events"


@dataclass(frozen=True)
class GroupCell:
    """The ranking of a group of sessions by one run; slope: of the calibration of running sessions."""

    ranking: Ranking
    slope: Interval | None


@dataclass(frozen=True)
class GroupRow:
    """Sessions with a number of events, and a cell per run, None for a run without such sessions."""

    events: str
    sessions: int
    buyers: int
    cells: list[GroupCell | None]


@dataclass(frozen=True)
class GroupTable:
    """Rankings of sessions by number of events; names: of the runs, as column heads."""

    names: list[str]
    rows: list[GroupRow]


@dataclass(frozen=True)
class DatasetSection:
    """What the page shows of a data set.

    best: the row of the best model; seeds: most seeds of a model; no_oracle: why there is no oracle, None if
    there is one; comparisons: sentences on pairs of models; figures: by name.
    """

    name: str
    simulated: bool
    rows: list[Row]
    best: Row | None
    seeds: int
    no_oracle: str | None
    verdict: str
    warnings: list[str]
    published: str | None
    checks: list[LeakCheck]
    explanation: ExplanationSection
    comparisons: list[str]
    by_steps: GroupTable
    by_length: GroupTable
    figures: dict[str, Markup]
    card: DataCard


def dataset_section(name: str, sources: DatasetSources) -> DatasetSection:
    """Read the files of a data set and return its section."""
    metrics = {run: Metrics.read(Path(path)) for run, path in sources.metrics.items()}
    histories = {run: History.read(Path(path)) for run, path in sources.histories.items()}
    explanations = {run: Explanation.read(Path(path)) for run, path in sources.explanations.items()}
    comparison = Comparison.read(Path(sources.comparison))
    checks = LeakChecks.read(Path(sources.checks)).checks
    card = data_card(
        EventsManifest.read(Path(sources.events)),
        SessionsManifest.read(Path(sources.sessions)),
        WindowsManifest.read(Path(sources.windows)),
    )
    models = rows(metrics, histories, comparison)
    no_oracle = None
    if not any(row.is_oracle for row in models):
        no_oracle = NO_ORACLE_SIMULATED if sources.simulated else NO_ORACLE_REAL
    return DatasetSection(
        name=name,
        simulated=sources.simulated,
        rows=models,
        best=best(models),
        seeds=max(row.seeds for row in models),
        no_oracle=no_oracle,
        verdict=verdict(name, models, simulated=sources.simulated, no_oracle=no_oracle),
        warnings=check_warnings(checks)
        + warnings(models, comparison, visitors_on_both_sides=card.visitors_on_both_sides),
        published=sources.published,
        checks=checks,
        explanation=explanation_section(explanations),
        comparisons=comparison_sentences(comparison),
        by_steps=steps_table(metrics),
        by_length=lengths_table(metrics),
        figures={
            figure: inline_svg(Path(path), f"{name}-{figure}") for figure, path in sources.figures.items()
        },
        card=card,
    )


def steps_table(metrics: dict[str, Metrics]) -> GroupTable:
    """Return the rankings of running sessions, by the number of events seen."""
    cells = {
        run: {row.steps: (str(row.steps), GroupCell(row, row.slope)) for row in values.by_steps}
        for run, values in metrics.items()
    }
    return _group_table(cells)


def lengths_table(metrics: dict[str, Metrics]) -> GroupTable:
    """Return the rankings of ended sessions, by their number of events."""
    cells = {
        run: {row.first: (_events(row.first, row.last), GroupCell(row, None)) for row in values.by_length}
        for run, values in metrics.items()
    }
    return _group_table(cells)


def _group_table(cells: Mapping[str, Mapping[int, tuple[str, GroupCell]]]) -> GroupTable:
    """Return the table of labelled cells by run and first number of events."""
    models = by_model(cells)
    runs = [run for group in models.values() for run in group]
    with_seed = len(runs) > len(models)
    rows = []
    for events in sorted({events for groups in cells.values() for events in groups}):
        label, first = next(cells[run][events] for run in runs if events in cells[run])
        row = [cells[run][events][1] if events in cells[run] else None for run in runs]
        rows.append(GroupRow(label, first.ranking.sessions, first.ranking.buyers, row))
    return GroupTable([run_name(run, with_seed=with_seed) for run in runs], rows)


def _events(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} or more"
    return str(first) if first == last else f"{first} to {last}"
