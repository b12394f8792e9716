"""The history of runs: what each finished run reached, so that a later one overwrites no figure unseen."""

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import JsonValue

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.artifacts.runs import FinishedRun, RunFigures, SettingChange, TextFigures
from rabbithole.artifacts.text import TextMetrics
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.workflow.project import TEXT_MODELS, Project

HISTORY = "runs.jsonl"
SCORES = "runs"
"""Folder of the kept test scores, each file named by its content."""

KEPT_RUNS = 20
"""The test scores of so many runs are kept, for paired tests between runs."""

NO_RESULT = ("spark", "training.checkpoint_minutes")
"""Settings that change no result. They are left out of the history."""


def read_history(results: Path) -> list[FinishedRun]:
    """Return the finished runs of a results folder, the oldest first; empty without a history.

    Raises `UserError` that names the line which is damaged or of another version.
    """
    path = results / HISTORY
    if not path.exists():
        return []
    return [
        FinishedRun.parse(line, f"{path}, line {number},", "Delete the line.")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if line.strip()
    ]


def record_run(project: Project, *, seconds: float) -> FinishedRun | None:
    """Append a finished run to the history; None if nothing differs from the last one.

    Only results that are complete count, so a run of a single target records what there is.
    """
    results = Path(project.results)
    settings = flat_settings(project)
    history = read_history(results)
    figures, texts = _figures(project), _texts(project)
    last = history[-1] if history else None
    if not (figures or texts) or (
        last is not None and (last.settings, last.figures, last.texts) == (settings, figures, texts)
    ):
        return None
    run = FinishedRun(
        number=(last.number if last else 0) + 1,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        rabbithole=_version(),
        seconds=round(seconds, 1),
        digest=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12],
        settings=settings,
        changes=differences(last.settings, settings) if last else [],
        figures=figures,
        texts=texts,
    )
    line = (run.to_line() + "\n").encode()
    # One write to a file that is open for appending: two runs at once do not mix their lines.
    descriptor = os.open(results / HISTORY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    _forget_old_scores(results, [*history, run])
    return run


def flat_settings(project: Project) -> dict[str, str]:
    """Return all settings that can change a result, by dotted key, as JSON."""
    values = _flat(project.settings.model_dump(mode="json"), "")
    return {key: text for key, text in values.items() if not key.startswith(NO_RESULT)}


def _flat(value: JsonValue, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        return {path: json.dumps(value, sort_keys=True)}
    return {
        key: text
        for name, below in value.items()
        for key, text in _flat(below, f"{path}.{name}" if path else name).items()
    }


def differences(old: dict[str, str], new: dict[str, str]) -> list[SettingChange]:
    """Return the settings that differ, by key."""
    return [
        SettingChange(key=key, old=old.get(key), new=new.get(key))
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]


def change_text(changes: Iterable[SettingChange], most: int = 3) -> str:
    """Return changed settings in a line, at most so many of them."""
    changes = list(changes)
    texts = [f"{each.key} {each.old or 'none'} -> {each.new or 'none'}" for each in changes[:most]]
    more = len(changes) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")


def retraining_note(project: Project, again: list[str]) -> str | None:
    """Return a line that says what will be trained again over existing results, None if nothing is.

    again: messages of the jobs that train and whose results exist.
    """
    if not again:
        return None
    history = read_history(Path(project.results))
    names = ", ".join(again[:3]) + (f" and {len(again) - 3} more" if len(again) > 3 else "")
    if not history:
        return f"Trains again what exists: {names}."
    last = history[-1]
    changes = differences(last.settings, flat_settings(project))
    why = f"settings differ from run {last.number} of {last.time[:16]} ({change_text(changes)})"
    reason = why if changes else f"data or code differ from run {last.number} of {last.time[:16]}"
    return f"Trains again: {names}, as {reason}. `rabbithole runs` keeps the former figures."


def _figures(project: Project) -> list[RunFigures]:
    figures = []
    for dataset in project.with_target("buyer"):
        for run in project.trained_runs():
            folder = Path(project.path(dataset, run.folder))
            if not ((folder / "metrics.json").exists() and (folder / "scores.parquet").exists()):
                continue
            metrics = Metrics.read(folder / "metrics.json")
            model, _, seed = run.folder.rpartition("/seed-")
            figures.append(
                RunFigures(
                    dataset=dataset,
                    model=model,
                    seed=int(seed),
                    auc=metrics.auc,
                    average_precision=metrics.average_precision,
                    log_loss=metrics.log_loss,
                    scores=_keep_scores(Path(project.results), folder / "scores.parquet"),
                )
            )
    return figures


def _texts(project: Project) -> list[TextFigures]:
    paths = {model: Path(project.path("alice", model, "metrics.json")) for model in TEXT_MODELS}
    if project.settings.alice is None:
        return []
    return [
        TextFigures(model=model, bits_per_character=TextMetrics.read(path).bits_per_character)
        for model, path in paths.items()
        if path.exists()
    ]


def _keep_scores(results: Path, scores: Path) -> str:
    """Keep a copy of the ended test sessions' scores, named by its content; return the name."""
    table = pq.read_table(scores, columns=["session_id", "split", "steps", "buyer", "score"])
    ended = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    kept = ended.select(["session_id", "buyer", "score"]).sort_by("session_id").combine_chunks()
    digest = hashlib.sha256()
    for name in kept.column_names:
        digest.update(repr(kept[name].to_pylist()).encode())
    name = f"{digest.hexdigest()[:16]}.parquet"
    path = results / SCORES / name
    if not path.exists():
        with atomic_write(path) as temporary:
            pq.write_table(kept, temporary, compression="zstd")
    return name


def _forget_old_scores(results: Path, history: list[FinishedRun]) -> None:
    """Delete the kept scores that only older runs name."""
    named = {figure.scores for run in history[-KEPT_RUNS:] for figure in run.figures}
    for path in (results / SCORES).glob("*.parquet"):
        if path.name not in named:
            path.unlink()


def kept_scores(results: Path, figure: RunFigures) -> pa.Table | None:
    """Return the kept test scores behind a figure, sorted by session; None if they are no longer kept."""
    path = results / SCORES / figure.scores
    return pq.read_table(path) if path.exists() else None


def find_run(history: list[FinishedRun], number: int) -> FinishedRun:
    """Return a run by its number; raises `UserError` for an unknown one."""
    for run in history:
        if run.number == number:
            return run
    known = f"1 to {history[-1].number}" if history else "none"
    raise UserError(f"There is no run {number}: there are runs {known}.")


def _version() -> str:
    try:
        return version("rabbithole")
    except PackageNotFoundError:
        return "unknown"
