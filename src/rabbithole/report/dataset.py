"""The section on a data set whose target is the purchase."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from rabbithole.artifacts.checks import LeakCheck, LeakChecks
from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.artifacts.evaluation import (
    Comparison,
    Explanation,
    FieldImportance,
    ImportanceLoss,
    Metrics,
)
from rabbithole.artifacts.training import History
from rabbithole.report.contents import Entry, Part, dataset_parts
from rabbithole.report.data_card import DataCard, data_card
from rabbithole.report.group_table import GroupTable, lengths_table, steps_table
from rabbithole.report.headline import Row, best, rows
from rabbithole.report.overview import answer, meaning, weaknesses
from rabbithole.report.runs import (
    best_on_valid,
    by_model,
    display_name,
    field_name,
    model_of,
    name_in_sentence,
)
from rabbithole.report.verdict import check_warnings, comparison_sentences, verdict, warnings
from rabbithole.report.wording import capitalised, inline_svg, listed, metric, plural
from rabbithole.specs.report import DatasetSources

ORDINALS = {1: "last", 2: "2nd", 3: "3rd"}


@dataclass(frozen=True)
class FieldRow:
    """The importance of a field for each model, in the order of `ExplanationSection.names`."""

    field: str
    losses: Sequence[ImportanceLoss]


@dataclass(frozen=True)
class StepRow:
    """The importance of some steps for each model, and the sessions that have such steps."""

    steps: str
    sessions: int
    buyers: int
    losses: Sequence[ImportanceLoss]


@dataclass(frozen=True)
class ExplanationSection:
    """What the page shows of the explanations of some models.

    names: of the models; best: the model with the best valid AUC, which `sentence` and the journeys describe;
    test_sessions: of which `sessions` were used, with `buyers`; journeys: their number.
    """

    names: list[str]
    fields: list[FieldRow]
    steps: list[StepRow]
    best: str
    sentence: str
    sessions: int
    buyers: int
    test_sessions: int
    journeys: int


def explanation_section(explanations: dict[str, Explanation]) -> ExplanationSection:
    """Return the section of explanations by run; fields by falling importance for the best model."""
    runs = [run for runs in by_model(explanations).values() for run in runs]
    fields = [{row.field: row for row in explanations[run].fields} for run in runs]
    steps = [{(row.first, row.last): row for row in explanations[run].steps} for run in runs]
    best_run = best_on_valid(explanations)
    best, name = explanations[best_run], name_in_sentence(model_of(best_run))
    return ExplanationSection(
        names=[display_name(model_of(run)) for run in runs],
        fields=[
            FieldRow(field_name(row.field), [by_field[row.field] for by_field in fields])
            for row in sorted(best.fields, key=lambda row: -row.log_loss_gained.value)
        ],
        steps=[
            StepRow(
                _steps(row.first, row.last),
                row.sessions,
                row.buyers,
                [by_steps[row.first, row.last] for by_steps in steps],
            )
            for row in best.steps
        ],
        best=name,
        sentence=importance_sentence(name, best.fields),
        sessions=best.sessions,
        buyers=best.buyers,
        test_sessions=best.test_sessions,
        journeys=len(best.journeys),
    )


def importance_sentence(model: str, fields: list[FieldImportance]) -> str:
    """Return a sentence on the fields that matter: the interval of the AUC lost lies above 0."""
    losses = [(row.field, row.auc_lost) for row in fields if row.auc_lost]
    if not losses:
        return "There are too few buyers to measure the importance of fields by the AUC."
    important = sorted((loss for loss in losses if loss[1].low > 0), key=lambda loss: -loss[1].value)
    if not important:
        return f"No single field makes a significant difference to {model}."
    names = [f"{field_name(field)} ({metric(lost.value)})" for field, lost in important]
    others = " No other field alone makes a significant difference." if len(important) < len(losses) else ""
    return (
        f"{capitalised(model)} relies on {listed(names)}: the AUC falls by so much when the field comes "
        f"from another session.{others}"
    )


def _steps(first: int | None, last: int | None) -> str:
    """Name steps by their position from the end."""
    if first is None:
        return "first"
    if last is None:
        return f"{first}th and earlier"
    return ORDINALS[first] if first == last else f"{first}th to {last}th"


def tuning_sentences(histories: dict[str, History]) -> list[str]:
    """Return a sentence for each run whose settings were searched: what was chosen, of how many."""
    sentences = []
    for run, history in histories.items():
        if (tuning := history.tuning) is None:
            continue
        model, chosen = model_of(run), tuning.trials[tuning.chosen].words
        stopped = ""
        if len(tuning.trials) < tuning.candidates:
            stopped = f" The time was up: {tuning.candidates} were planned."
        sentences.append(
            f"{display_name(model)}{run.removeprefix(model)}: valid chose {chosen} among "
            f"{plural(len(tuning.trials), 'training')}.{stopped}"
        )
    return sentences


NO_ORACLE = "there is no oracle, as the settings change the simulated sessions or events"


PART_OF_FIGURE = {
    "roc": "models",
    "precision_recall": "models",
    "early": "early",
    "gain": "campaign",
    "importance": "explanation",
    "journeys": "explanation",
    "reliability": "calibration",
    "learning": "training",
    "lengths": "data",
}
"""The part of the section that shows a figure. Others are in a part of their own."""


MANY_PAIRS = 6
"""Of more pairs of models, only those with the best one are shown at first."""


@dataclass(frozen=True)
class DatasetSection:
    """What the page shows of a data set.

    best: the row of the best model; best_possible: the AUC of the oracle, None if unknown; seeds: most seeds
    of a model; no_oracle: why a simulated log has no oracle, None otherwise; answer, meaning, weaknesses: on
    the best model; comparisons, tunings: sentences on pairs of models, those with the best one first, and on
    searches for settings; figures: by name.
    """

    name: str
    simulated: bool
    rows: list[Row]
    best: Row | None
    best_possible: float | None
    seeds: int
    visitors: int | None
    no_oracle: str | None
    answer: str | None
    verdict: str
    meaning: list[str]
    weaknesses: list[str]
    warnings: list[str]
    published: str | None
    checks: list[LeakCheck]
    explanation: ExplanationSection
    comparisons: list[str]
    tunings: list[str]
    by_steps: GroupTable
    by_length: GroupTable
    figures: dict[str, Markup]
    card: DataCard

    @property
    def shown_comparisons(self) -> int:
        """Return how many comparisons are shown at first; the others are folded if there are many."""
        return len(self.rows) - 1 if len(self.comparisons) > MANY_PAIRS else len(self.comparisons)

    @property
    def anchor(self) -> str:
        """Return the id of the section on the page."""
        return f"data-{self.name}"

    @property
    def more_figures(self) -> list[str]:
        """Return the figures that belong to no part of the section."""
        return [name for name in self.figures if name not in PART_OF_FIGURE]

    @property
    def parts(self) -> list[Part]:
        """Return the parts of the section."""
        return dataset_parts(
            has_running=bool(self.by_steps.rows),
            leaks=not all(check.holds for check in self.checks),
            more_figures=bool(self.more_figures),
        )

    @property
    def entry(self) -> Entry:
        """Return the section's lines of the contents."""
        parts = tuple(Entry(f"{self.anchor}-{part.name}", part.title) for part in self.parts)
        return Entry(self.anchor, self.name, parts)


def checks_of_folds(folds: Sequence[list[LeakCheck]]) -> list[LeakCheck]:
    """Return the checks of all folds: of each the first that fails, or else that of the first fold."""
    return [
        next((check for check in of_all if not check.holds), of_all[0]) for of_all in zip(*folds, strict=True)
    ]


def dataset_section(name: str, sources: DatasetSources) -> DatasetSection:
    """Read the files of a data set and return its section."""
    metrics = {run: Metrics.read(Path(path)) for run, path in sources.metrics.items()}
    histories = {run: History.read(Path(path)) for run, path in sources.histories.items()}
    explanations = {run: Explanation.read(Path(path)) for run, path in sources.explanations.items()}
    comparison = Comparison.read(Path(sources.comparison))
    checks = checks_of_folds([LeakChecks.read(Path(path)).checks for path in sources.checks])
    sessions, *others = (SessionsManifest.read(Path(path)) for path in sources.sessions)
    card = data_card(
        EventsManifest.read(Path(sources.events)),
        sessions,
        WindowsManifest.read(Path(sources.windows)),
        folds=[sessions, *others] if others else [],
    )
    models = rows(metrics, histories, comparison)
    no_oracle, top = None, best(models)
    best_runs = [values for run, values in metrics.items() if top and model_of(run) == top.model]
    # Nothing is said for a real log: nobody expects an oracle there.
    if sources.simulated and not any(row.is_oracle for row in models):
        no_oracle = NO_ORACLE
    return DatasetSection(
        name=name,
        simulated=sources.simulated,
        rows=models,
        best=top,
        best_possible=next((row.auc for row in models if row.is_oracle), None),
        seeds=max(row.seeds for row in models),
        visitors=next((values.visitors for values in metrics.values()), None),
        no_oracle=no_oracle,
        verdict=verdict(name, models, folds=card.folds),
        answer=answer(top, best_runs) if top else None,
        meaning=meaning(top, best_runs) if top else [],
        weaknesses=weaknesses(top) if top else [],
        warnings=check_warnings(checks)
        + warnings(
            models,
            comparison,
            visitors_on_both_sides=card.visitors_on_both_sides,
            diagnoses=sessions.diagnoses,
        ),
        published=sources.published,
        checks=checks,
        explanation=explanation_section(explanations),
        comparisons=comparison_sentences(comparison, top.model if top else None),
        tunings=tuning_sentences(histories),
        by_steps=steps_table(metrics),
        by_length=lengths_table(metrics),
        figures={
            figure: inline_svg(Path(path), f"{name}-{figure}") for figure, path in sources.figures.items()
        },
        card=card,
    )
