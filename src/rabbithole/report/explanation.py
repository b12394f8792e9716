"""The section on the importance of fields and steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from rabbithole.artifacts.evaluation import Explanation, FieldImportance, ImportanceLoss
from rabbithole.report.runs import (
    best_on_valid,
    by_model,
    display_name,
    field_name,
    model_of,
    name_in_sentence,
)
from rabbithole.report.wording import capitalised, listed, metric

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
