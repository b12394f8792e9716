"""Packages a trained model: one folder that scores new logs without the data it was trained on."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined

from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.artifacts.evaluation import Metrics
from rabbithole.artifacts.serving import Candidate, FieldShares, ModelManifest, TestMetrics, TrainedOn
from rabbithole.artifacts.training import CheckpointFiles
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.evaluation.campaign import best_threshold
from rabbithole.evaluation.scores import Scores, read_scores
from rabbithole.formats.base import HistoryName
from rabbithole.io.atomic import atomic_write, copy_folder
from rabbithole.io.digests import TIMESTAMP, digests_of
from rabbithole.serving.drift import reference
from rabbithole.serving.folder import (
    CARD,
    CHECKPOINT,
    MANIFEST,
    REFERENCE,
    SIDE_TABLES,
    TEST_SCORES,
    load_folder,
)
from rabbithole.serving.tables import require_writable
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.serving import PackageModelSpec
from rabbithole.windows.arrays import read_encoding, read_parts

LIBRARIES = ("rabbithole", "jax", "flax", "numpy", "pyarrow", "scikit-learn", "skops", "orbax-checkpoint")
"""Libraries whose versions a model folder names."""


def package_model(
    spec: PackageModelSpec,
    *,
    checkpoints: Mapping[str, Path],
    scores: Mapping[str, Path],
    metrics: Mapping[str, Path],
    events: Path,
    sessions: Path,
    windows: Path,
    output: Path,
    pooled: Mapping[str, Path] | None = None,
) -> None:
    """Write the model folder of a data set.

    checkpoints, scores, metrics: by run, a name such as `gru/seed-0`; events, sessions, windows: the folders
    that the models were trained on; pooled: metrics over all folds, by run, where the files above are those
    of one fold. The best run has the highest AUC of ended sessions on valid (of all folds), unless the spec
    names one. Raises `UserError` when the spec's choice was not trained.
    """
    log, made, encoded = EventsManifest.of(events), SessionsManifest.of(sessions), WindowsManifest.of(windows)
    measured = {run: Metrics.read(path) for run, path in metrics.items()}
    decisive = measured if pooled is None else {run: Metrics.read(path) for run, path in pooled.items()}
    candidates = [_candidate(run, decisive[run]) for run in checkpoints]
    chosen, reason = choose(candidates, spec.model, spec.seed)
    run = run_name(chosen)
    valid = read_scores(scores[run], "valid").after(0)
    with atomic_write(output) as folder:
        folder.mkdir()
        CheckpointFiles.check(checkpoints[run])
        # A copy for another machine, by programs that may leave out hidden files.
        copy_folder(checkpoints[run], folder / CHECKPOINT, without=[TIMESTAMP])
        _copy_side_tables(log, events, folder)
        test = read_scores(scores[run], "test")
        _write_test_scores(test, folder / TEST_SCORES)
        encoding = read_encoding(windows)
        train = read_parts(windows, "train", encoding)
        reference(train, encoding.fields, test.after(0).score).write(folder / REFERENCE)
        manifest = ModelManifest(
            dataset=spec.dataset,
            model=chosen.model,
            seed=chosen.seed,
            chosen=reason,
            candidates=candidates,
            events=spec.events,
            sessions=spec.sessions,
            horizon_minutes=made.open_minutes,
            timezone=encoded.timezone,
            fields=list(encoded.fields.names),
            window=encoded.length,
            trained_on=TrainedOn(
                first=log.first,
                last=log.last,
                events=log.rows,
                sessions={name: split.rows for name, split in encoded.splits.items()},
                buyers={name: split.buyers for name, split in encoded.splits.items()},
            ),
            test=_test_metrics(measured[run]),
            usual=_usual_shares(encoded),
            contact_cost=spec.contact_cost,
            sale_worth=spec.sale_worth,
            threshold=_threshold(valid, spec),
            versions={name: _version(name) for name in LIBRARIES},
            files={},
            digest="",
        )
        write_manifest(manifest, folder, digests_of(folder))


def write_manifest(manifest: ModelManifest, folder: Path, files: dict[str, str]) -> None:
    """Write a model folder's manifest, with the digest of all that it says, and its card.

    files: digests of the folder's files, which are complete.
    """
    unnamed = manifest.model_copy(update={"files": files, "digest": ""})
    digest = hashlib.sha256(json.dumps(unnamed.model_dump(mode="json"), sort_keys=True).encode())
    named = unnamed.model_copy(update={"digest": digest.hexdigest()[:16]})
    (folder / CARD).write_text(model_card(named), "utf-8")
    named.write(folder / MANIFEST)


def package_chosen(dataset: Path, *, model: str | None, seed: int | None, output: Path) -> ModelManifest:
    """Package a trained model of the user's choice, as the workflow packages the best one.

    dataset: the results of a data set, such as results/shop; model, seed: None for the best on valid of all
    that were trained. Raises `UserError` when the run has not finished, the choice was not trained, or the
    output exists.
    """
    if os.path.lexists(output):
        raise UserError(f"{output} exists already. Name another folder with --output, or remove it.")
    require_writable(output)
    if not (dataset / "model" / MANIFEST).exists():
        problem = (
            f"{dataset} holds no finished run of a data set" if dataset.exists() else f"There is no {dataset}"
        )
        raise UserError(f"{problem}. Give the results of a data set after a run, such as results/shop.")
    packaged = load_folder(dataset / "model").manifest
    # With folds, the models of one of them are packaged.
    fold = packaged.sessions.split.fold
    part = dataset if fold is None else dataset / f"fold-{fold.number}"
    runs = sorted(path.parent for path in part.glob("*/seed-*/checkpoint"))

    def of_runs(file: str, part: Path = part) -> dict[str, Path]:
        names = [f"{run.parent.name}/{run.name}" for run in runs]
        return {name: part / name / file for name in names}

    spec = PackageModelSpec(
        dataset=packaged.dataset,
        model=model,
        seed=seed,
        events=packaged.events,
        sessions=packaged.sessions,
        contact_cost=packaged.contact_cost,
        sale_worth=packaged.sale_worth,
    )
    package_model(
        spec,
        checkpoints=of_runs("checkpoint"),
        scores=of_runs("scores.parquet"),
        metrics=of_runs("metrics.json"),
        events=dataset / "events",
        sessions=part / "sessions",
        windows=part / "windows",
        output=output,
        pooled=None if fold is None else of_runs("metrics.json", dataset),
    )
    return load_folder(output).manifest


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def run_name(candidate: Candidate) -> str:
    """Return the name of a candidate's run, such as `gru/seed-0`."""
    return f"{candidate.model}/seed-{candidate.seed}"


def choose(candidates: list[Candidate], model: str | None, seed: int | None) -> tuple[Candidate, str]:
    """Return the candidate to take, and why. Of equally good ones the first is taken."""
    allowed = [
        candidate
        for candidate in candidates
        if model in (None, candidate.model) and seed in (None, candidate.seed)
    ]
    if not allowed:
        trained = ", ".join(run_name(candidate) for candidate in candidates)
        wanted = f"model {model or 'any'}, seed {'any' if seed is None else seed}"
        raise UserError(f"No such model was trained ({wanted}): there are {trained}.")
    best = max(allowed, key=lambda candidate: -1.0 if candidate.valid_auc is None else candidate.valid_auc)
    if model is not None and seed is not None:
        return best, "It was chosen by name."
    among = f" among the seeds of {model}" if model is not None else ""
    if best.valid_auc is None:
        return best, f"It is the first{among}: valid has no AUC, as it lacks buyers or others."
    return best, f"It has the highest AUC of ended sessions on valid{among}."


def model_card(manifest: ModelManifest) -> str:
    """Return the model card, Markdown."""
    loader = PackageLoader("rabbithole.serving", "templates")
    # The card is Markdown: the names in it are shown in code spans, which the filter keeps whole.
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = lambda text: "`" + str(text).replace("`", "'").replace("\n", " ") + "`"
    environment.filters["plural"] = plural
    return environment.get_template("card.md.j2").render(model=manifest)


def _candidate(run: str, metrics: Metrics) -> Candidate:
    model, _, seed = run.rpartition("/seed-")
    auc = metrics.valid.auc
    return Candidate(model=model, seed=int(seed), valid_auc=None if auc is None else auc.value)


def _copy_side_tables(log: EventsManifest, events: Path, folder: Path) -> None:
    """Copy what a shop knows about its items over time, which later logs may lack."""
    files: dict[HistoryName, str | None] = {"category": log.category_history, "cost": log.cost_history}
    for name, file in files.items():
        if file is not None:
            shutil.copyfile(events / file, folder / SIDE_TABLES[name])


def _test_metrics(metrics: Metrics) -> TestMetrics:
    return TestMetrics(
        sessions=metrics.sessions,
        buyers=metrics.buyers,
        auc=metrics.auc,
        average_precision=metrics.average_precision,
        log_loss=metrics.log_loss,
        log_loss_constant=metrics.log_loss_constant,
        brier=metrics.brier,
        calibration_slope=metrics.calibration.slope,
        lift=metrics.lift,
    )


def _write_test_scores(test: Scores, path: Path) -> None:
    """Write the scores of test in rising order, by events seen, for percentiles and drift."""
    order = np.lexsort((test.score, test.steps))
    pq.write_table(pa.table({"steps": test.steps[order], "score": test.score[order]}), path)


def _usual_shares(encoded: WindowsManifest) -> dict[str, FieldShares]:
    """Return how many of test's values are missing or unseen, by field."""
    test = encoded.splits["test"]
    return {
        field: FieldShares(missing=test.missing[field] / test.steps, unseen=test.unseen[field] / test.steps)
        for field in encoded.fields.categorical
        if field in test.missing
    }


def _threshold(valid: Scores, spec: PackageModelSpec) -> float | None:
    if len(valid.score) == 0:
        return spec.contact_cost / spec.sale_worth
    costs = EvaluateSpec(contact_cost=spec.contact_cost, sale_worth=spec.sale_worth)
    return best_threshold(valid.buyer, valid.score, costs)
