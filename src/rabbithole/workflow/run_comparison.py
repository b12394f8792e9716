"""What differs between two finished runs: settings, and figures in pairs where the sessions are the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rabbithole.artifacts.evaluation import AucDifference, AucInterval
from rabbithole.artifacts.runs import FinishedRun, NextEventFigures, RunFigures, SettingChange
from rabbithole.report.runs import ORACLE, model_of
from rabbithole.workflow.kept_scores import read_labels_and_scores
from rabbithole.workflow.run_history import KEPT_RUNS, differences

PAIRED = "the same test sessions, so the AUCs are compared in pairs (DeLong)"
OTHER_SESSIONS = "other test sessions, so differences are not paired"
FORGOTTEN = f"not paired, as test scores are kept for the last {KEPT_RUNS} runs only"


@dataclass(frozen=True)
class FigureRow:
    """A figure in both runs, None where a run has none. remark: shown in place of the difference."""

    name: str
    old: float | None
    new: float | None
    paired: AucDifference | None = None
    remark: str = ""


@dataclass(frozen=True)
class Section:
    """The figures of one data set. note: how its AUCs are compared."""

    title: str
    note: str
    rows: list[FigureRow]


@dataclass(frozen=True)
class RunComparison:
    """The settings that differ, and the figures of each data set."""

    changes: list[SettingChange]
    sections: list[Section]


@dataclass(frozen=True)
class BestModel:
    """The best model of a data set: its AUC with both ends of the interval, means over its seeds."""

    model: str
    auc: float
    low: float
    high: float


def best_model(figures: Iterable[RunFigures]) -> BestModel | None:
    """Return the model (not the oracle) with the highest AUC on valid, as the report chooses it."""
    models: dict[str, list[tuple[float, AucInterval]]] = {}
    for run in figures:
        if run.auc and run.run != ORACLE:
            models.setdefault(model_of(run.run), []).append((run.valid_auc or 0.0, run.auc))
    rows = []
    for model, seeds in models.items():
        columns = zip(*[(auc.value, auc.low, auc.high) for _, auc in seeds], strict=True)
        means = (fmean(values) for values in columns)
        rows.append((fmean(valid for valid, _ in seeds), BestModel(model, *means)))
    return max(rows, key=lambda row: (row[0], row[1].auc))[1] if rows else None


def best_next_event(figures: Iterable[NextEventFigures]) -> NextEventFigures | None:
    """Return the figures (not the oracle's) with the lowest cross-entropy of events on valid."""
    known = [run for run in figures if run.run != ORACLE and run.valid_event is not None]
    return min(known, key=lambda run: (run.valid_event, run.event.value), default=None)


def compare_runs(results: Path, first: FinishedRun, second: FinishedRun) -> RunComparison:
    """Compare two runs of a results folder. Differences are those of the second minus the first."""
    sections = _purchases(results, first, second) + _next_events(first, second) + _texts(first, second)
    return RunComparison(differences(first.settings, second.settings), sections)


def _purchases(results: Path, first: FinishedRun, second: FinishedRun) -> list[Section]:
    old = {(figures.dataset, figures.run): figures for figures in first.figures}
    new = {(figures.dataset, figures.run): figures for figures in second.figures}
    notes: dict[str, str] = {}
    rows: dict[str, list[FigureRow]] = {}
    for dataset, run in dict.fromkeys([*old, *new]):
        before, now = old.get((dataset, run)), new.get((dataset, run))
        paired, remark = None, ""
        if before and now:
            paired, note = _paired(results, before, now)
            notes[dataset] = note or notes.get(dataset, "")
            if before.scores and before.scores == now.scores and before.sessions == now.sessions:
                remark = "same scores"
        rows.setdefault(dataset, []).append(FigureRow(f"{run}, AUC", _auc(before), _auc(now), paired, remark))
        if not remark:
            rows[dataset] += [
                FigureRow(
                    "  average precision",
                    before.average_precision if before else None,
                    now.average_precision if now else None,
                ),
                FigureRow("  log loss", before.log_loss if before else None, now.log_loss if now else None),
            ]
    return [Section(dataset, notes.get(dataset, ""), rows[dataset]) for dataset in rows]


def _auc(figures: RunFigures | None) -> float | None:
    return figures.auc.value if figures and figures.auc else None


def _paired(results: Path, old: RunFigures, new: RunFigures) -> tuple[AucDifference | None, str]:
    """Return the paired test of two AUCs, None where there is none, and how they are compared."""
    if old.sessions is None or new.sessions is None:
        return None, ""
    if old.sessions != new.sessions:
        return None, OTHER_SESSIONS
    if old.auc is None or new.auc is None or old.scores == new.scores:
        return None, ""
    kept = read_labels_and_scores(results, old, new)
    if kept is None:
        return None, FORGOTTEN
    # Loads statsmodels, which only a paired test needs.
    from rabbithole.evaluation.delong import paired_test, placements

    labels, before, now, visitors = kept
    return paired_test(placements(labels, now, visitors), placements(labels, before, visitors)), PAIRED


def _next_events(first: FinishedRun, second: FinishedRun) -> list[Section]:
    old, new = (
        {(figures.dataset, figures.run): figures for figures in run.next_events} for run in (first, second)
    )
    rows: dict[str, list[FigureRow]] = {}
    for dataset, run in dict.fromkeys([*old, *new]):
        before, now = old.get((dataset, run)), new.get((dataset, run))
        rows.setdefault(dataset, []).append(FigureRow(f"{run}, event", _event(before), _event(now)))
        categories = _category(before), _category(now)
        if categories != (None, None):
            rows[dataset].append(FigureRow("  category", *categories))
    return [Section(f"{dataset}, next event", "cross-entropy in nats", rows[dataset]) for dataset in rows]


def _event(figures: NextEventFigures | None) -> float | None:
    return figures.event.value if figures else None


def _category(figures: NextEventFigures | None) -> float | None:
    return figures.category.value if figures and figures.category else None


def _texts(first: FinishedRun, second: FinishedRun) -> list[Section]:
    old, new = ({text.model: text.bits_per_character for text in run.texts} for run in (first, second))
    rows = [FigureRow(model, old.get(model), new.get(model)) for model in dict.fromkeys([*old, *new])]
    return [Section("alice", "bits per character", rows)] if rows else []
