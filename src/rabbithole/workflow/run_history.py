"""The history of runs: what each finished run reached, so that a later one overwrites no figure unseen."""

import hashlib
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

from rabbithole.artifacts.evaluation import Metrics, NextEventMetrics
from rabbithole.artifacts.runs import FinishedRun, NextEventFigures, RunFigures, SettingChange, TextFigures
from rabbithole.artifacts.text import TextMetrics
from rabbithole.errors import UserError
from rabbithole.workflow.kept_scores import forget_scores, keep_scores
from rabbithole.workflow.places import HISTORY
from rabbithole.workflow.project import TEXT_MODELS, Project

KEPT_RUNS = 20
"""Runs whose test scores are kept, for paired tests between runs."""

NO_RESULT = ("spark.", "storage", "training.checkpoint_minutes")
"""Settings that change no result. They are left out of the history."""


@dataclass(frozen=True)
class History:
    """The finished runs of a results folder, oldest first.

    runs: by number, which is the number of the line; refused: a message per line that cannot be read.
    """

    runs: dict[int, FinishedRun]
    refused: list[str]

    @property
    def last(self) -> FinishedRun | None:
        """Return the last run."""
        return next(reversed(self.runs.values()), None)

    def run(self, number: int) -> FinishedRun:
        """Return a run by its number. Raises `UserError` for an unknown one."""
        if number not in self.runs:
            known = ", ".join(map(str, self.runs))
            raise UserError(f"There is no run {number}. The history has these runs: {known}.")
        return self.runs[number]


def read_history(results: Path) -> History:
    """Return the history of a results folder; without a run if there is none."""
    path = results / HISTORY
    runs, refused = {}, []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], 1):
        try:
            if line.strip():
                place = f"{path}, line {number},"
                runs[number] = FinishedRun.parse(line.decode(), place, "Empty the line.")
        except UnicodeDecodeError:
            refused.append(f"{path}, line {number}, is damaged: it is not UTF-8. Empty the line.")
        except UserError as error:
            refused.append(str(error))
    return History(runs, refused)


def record_run(
    project: Project, history: History, *, targets: list[str], outputs: Collection[str], seconds: float
) -> None:
    """Append a finished run to the history, and keep its test scores.

    outputs: of all jobs behind the targets. Only their figures are recorded: other files in the results
    folder may be those of other settings.
    """
    results = Path(project.results)
    settings = flat_settings(project)
    run = FinishedRun(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        rabbithole=_version(),
        seconds=round(seconds, 1),
        targets=targets,
        datasets=project.datasets,
        models=project.models,
        digest=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12],
        settings=settings,
        changes=differences(history.last.settings, settings) if history.last else [],
        figures=_figures(project, outputs),
        next_events=_next_events(project, outputs),
        texts=_texts(project, outputs),
    )
    _append(results / HISTORY, run.to_line())
    recent = [*history.runs.values(), run][-KEPT_RUNS:]
    forget_scores(results, [figures for kept in recent for figures in kept.figures])


def _append(path: Path, line: str) -> None:
    """Append a line in one write, so that the lines of two runs at once do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        # A process that was killed while it wrote may have left the start of a line.
        unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, ("\n" * unfinished + line + "\n").encode())
    finally:
        os.close(descriptor)


def flat_settings(project: Project) -> dict[str, str]:
    """Return all settings that can change a result, by dotted key, as JSON."""
    values = _flat(project.settings.model_dump(mode="json"), "")
    return {key: text for key, text in values.items() if not key.startswith(NO_RESULT)}


def _flat(value: JsonValue, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        return {path: json.dumps(value, sort_keys=True, ensure_ascii=False)}
    return {
        key: text
        for name, below in value.items()
        for key, text in _flat(below, f"{path}.{name}" if path else name).items()
    }


WHOLE = "{...}"
"""Stands for a whole section, such as a model that is new."""


def differences(old: dict[str, str], new: dict[str, str]) -> list[SettingChange]:
    """Return the settings that differ, by key. A section that only one side has is one difference."""
    before, now = _without(old, new), _without(new, old)
    return [
        SettingChange(key=key, old=before.get(key), new=now.get(key))
        for key in sorted(before | now)
        if before.get(key) != now.get(key)
    ]


def _without(settings: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Return settings in which each section that the other side lacks is a single key."""
    sections = {key[:dot] for key in other for dot, letter in enumerate(key) if letter == "."}
    present = sections | {key for key, value in other.items() if value != "null"}
    shortened: dict[str, str] = {}
    for key, value in settings.items():
        if value == "null" and key in sections:
            continue
        parts = key.split(".")
        prefixes = [".".join(parts[:length]) for length in range(1, len(parts))]
        missing = next((prefix for prefix in prefixes if prefix not in present), None)
        shortened[missing or key] = WHOLE if missing else value
    return shortened


def change_text(changes: Iterable[SettingChange], most: int = 3) -> str:
    """Return changed settings as text, `most` of them at most; empty without a change."""
    texts = [f"{change.key} {change.old or 'none'} -> {change.new or 'none'}" for change in changes]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def local_minute(run: FinishedRun) -> str:
    """Return when a run ended, to the minute, in the local time zone."""
    return datetime.fromisoformat(run.time).astimezone().strftime("%Y-%m-%d %H:%M")


def _figures(project: Project, outputs: Collection[str]) -> list[RunFigures]:
    figures = []
    for dataset in project.with_target("buyer"):
        for run in project.scored_runs(dataset):
            path = project.path(dataset, run.folder, "metrics.json")
            if path in outputs:
                metrics = Metrics.read(Path(path))
                scores = Path(path).with_name("scores.parquet")
                kept = keep_scores(Path(project.results), scores) if scores.exists() else None
                figures.append(
                    RunFigures(
                        dataset=dataset,
                        run=run.name,
                        auc=metrics.auc,
                        valid_auc=metrics.valid.auc.value if metrics.valid.auc else None,
                        average_precision=metrics.average_precision,
                        log_loss=metrics.log_loss,
                        sessions=kept.sessions if kept else None,
                        scores=kept.scores if kept else None,
                    )
                )
    return figures


def _next_events(project: Project, outputs: Collection[str]) -> list[NextEventFigures]:
    figures = []
    for dataset in project.with_target("next_event"):
        for run in project.next_event_runs(dataset):
            path = project.path(dataset, run.folder, "next_event.json")
            if path in outputs:
                metrics = NextEventMetrics.read(Path(path))
                figures.append(
                    NextEventFigures(
                        dataset=dataset,
                        run=run.name,
                        event=metrics.event.cross_entropy,
                        category=metrics.category.cross_entropy if metrics.category else None,
                        valid_event=metrics.valid.event if metrics.valid else None,
                    )
                )
    return figures


def _texts(project: Project, outputs: Collection[str]) -> list[TextFigures]:
    paths = {model: project.path("alice", model, "metrics.json") for model in TEXT_MODELS}
    return [
        TextFigures(model=model, bits_per_character=TextMetrics.read(Path(path)).bits_per_character)
        for model, path in paths.items()
        if path in outputs
    ]


def _version() -> str:
    try:
        return version("rabbithole")
    except PackageNotFoundError:
        return "unknown"
