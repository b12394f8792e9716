"""The line that says what a run trains again over existing results, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rabbithole.artifacts.runs import FinishedRun, SettingChange
from rabbithole.counts import listed
from rabbithole.report.runs import model_of
from rabbithole.workflow.places import HISTORY
from rabbithole.workflow.project import Project
from rabbithole.workflow.run_history import History, change_text, differences, flat_settings, local_minute

TEXT = "alice"
"""Stands for the data set of the text models."""


@dataclass(frozen=True)
class Trained:
    """What a job trains: a model on a data set. The data set of a text model is "alice"."""

    dataset: str
    model: str


def retraining_note(project: Project, history: History, again: list[Trained], causes: list[str]) -> str:
    """Return one line on models that are trained again.

    The settings are compared with those of the last run that recorded one of the models. Without such a run,
    or if no setting explains the training, the causes explain it: Snakemake's reasons, as `why` shows them.
    """
    former = next((run for run in reversed(history.runs.values()) if _recorded(run) & set(again)), None)
    names = _names(again)
    changes = differences(former.settings, flat_settings(project)) if former else []
    if former and (matter := [change for change in changes if _matters(change, again)]):
        since = f"settings differ from the run of {local_minute(former)} ({change_text(matter)})"
    else:
        shown = list(dict.fromkeys(causes))
        more = f" and {len(shown) - 2} more" if len(shown) > 2 else ""
        since = "; ".join(shown[:2]) + more
    kept = f" The former figures stay in {project.path(HISTORY)}." if former else ""
    return f"Trains again, because {since}: {names}.{kept}"


def replaced_report_note(project: Project, history: History) -> str | None:
    """Return one line that names the data sets whose report is replaced by one without them; None if none.

    Whoever forgets `--configfile` writes the report of the default data sets over that of their own.
    """
    report = project.path("report/index.html")
    # Other runs, such as one up to the events of a log, left the report as it was.
    wrote = [run for run in history.runs.values() if {"all", "page", report} & {*run.targets}]
    if not wrote or not Path(report).exists():
        return None
    last = wrote[-1]
    if set(last.datasets) & set(project.datasets):
        return None
    return (
        f"{report} is about {listed(last.datasets)} now, and will be about {listed(project.datasets)}. To "
        "keep it, stop and name the config file of that run (--configfile), or another results folder."
    )


def _recorded(run: FinishedRun) -> set[Trained]:
    """Return the models whose figures a run recorded."""
    names = [(figures.dataset, figures.run) for figures in run.figures]
    names += [(figures.dataset, figures.run) for figures in run.next_events]
    models = {Trained(dataset, model_of(name)) for dataset, name in names}
    return models | {Trained(TEXT, text.model) for text in run.texts}


def _matters(change: SettingChange, again: Iterable[Trained]) -> bool:
    """Return whether a setting can change the training of one of these models."""
    section, _, rest = change.key.partition(".")
    if section in ("data_seed", "training_seeds", "training"):
        return True
    if section == "alice":
        return any(trained.dataset == TEXT for trained in again)
    names = [trained.dataset if section == "datasets" else trained.model for trained in again]
    return section in ("datasets", "models") and rest.partition(".")[0] in names


def _names(again: Iterable[Trained]) -> str:
    models: dict[str, dict[str, None]] = {}
    for trained in sorted(again, key=lambda training: (training.dataset, training.model)):
        models.setdefault(trained.dataset, {})[trained.model] = None
    return "; ".join(f"{dataset} {', '.join(names)}" for dataset, names in models.items())
