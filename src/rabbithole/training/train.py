"""Trains one model on one data set, with the settings as they are or with those that valid chooses."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.artifacts.data import EncoderFile, WindowCounts, WindowsManifest
from rabbithole.artifacts.training import (
    CheckpointFiles,
    EpochMetrics,
    History,
    ModelDescription,
)
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.parts import manifest_path
from rabbithole.models.registry import Estimator, ModelCode, model_code
from rabbithole.specs.training import NetworkTraining, ResumeOptions, TrainSpec
from rabbithole.training.batching import augment_windows, make_rng
from rabbithole.training.checkpoints import (
    ResumeCheckpoints,
    save_weights,
    settings_digest,
    write_description,
)
from rabbithole.training.loop import is_primary, join_processes
from rabbithole.training.train_step import Objective, objective_class
from rabbithole.training.trainer import make_trainer
from rabbithole.training.tuning import Fitted, Log, tune
from rabbithole.windows.arrays import Encoding, read_encoding

LOGGER = logging.getLogger("rabbithole")


def fit_network(
    spec: TrainSpec,
    objective: Objective,
    encoding: Encoding,
    checkpoints: ResumeCheckpoints,
    log: Log,
    file: Path | None,
    part: str = "",
) -> Fitted:
    """Train a network, from its saved state if there is one, and restore its best epoch.

    part: what this training is among those of the step, empty if it is the only one.
    """
    assert isinstance(spec.training, NetworkTraining)
    trainer = make_trainer(
        spec.model,
        spec.settings,
        spec.training,
        objective,
        encoding,
        event_dropout=spec.augmentation.event_dropout,
        seed=spec.seed,
        file=file,
    )
    if (saved := checkpoints.load(trainer.progress)) is not None:
        trainer.restore(saved)
        log(f"continues from epoch {saved.epoch + 1}, batch {saved.batch + 1}")

    def log_epoch(metrics: dict[str, float], speed: float) -> None:
        if not np.isfinite(list(metrics.values())).all():
            raise UserError("the training diverged: its loss is not finite. Take a smaller learning_rate.")
        log(_epoch_line(EpochMetrics.model_validate(metrics), speed))

    trainer.run(log_epoch, checkpoints.keep, part)
    trainer.restore_best()
    progress = trainer.progress
    history = History(
        unit="epoch",
        epochs=[EpochMetrics.model_validate(metrics) for metrics in progress.rows],
        best_epoch=progress.best_epoch,
        seconds=progress.seconds,
    )
    _refuse_divergence(history, objective.outputs)
    calibration = objective.fit_calibration(trainer.forward, trainer.shapes, length=encoding.length)
    return Fitted(
        lambda folder: save_weights(folder, *progress.best),
        partial(objective.valid_losses, trainer.forward, trainer.shapes, length=encoding.length),
        calibration,
        history,
    )


def _refuse_divergence(history: History, outputs: int) -> None:
    """Raise `UserError` if the best epoch's valid loss is far above that of a guess at random.

    outputs: of the network. A uniform guess among them loses log(outputs) nats. A network that learns
    loses less: it starts from the shares in train.
    """
    best = history.epochs[history.best_epoch - 1].valid_loss
    if best > 2 * np.log(outputs):
        raise UserError(
            f"the training diverged: the valid loss of its best epoch is {best:,.4g}, above that of a guess "
            "at random. Take a smaller learning_rate."
        )


def fit_estimator(
    spec: TrainSpec, model: ModelCode, objective: Any, encoding: Encoding, windows: Path, log: Log
) -> Fitted:
    """Fit an estimator; objective: a `PurchaseObjective`, the only one that estimators support."""
    began = time.perf_counter()
    train, valid = objective.train, objective.valid
    # Balanced and augmented once: an estimator does not pass over its sessions batch by batch. A session
    # drawn twice weighs double.
    counts = np.bincount(objective.rows(seed=spec.seed, epoch=0), minlength=len(train))
    estimator: Estimator = model.model(model.settings, seed=spec.seed)
    estimator.use_encoder(EncoderFile.read(windows / "encoder.json"))
    epochs = estimator.fit(
        augment_windows(
            train,
            make_rng(spec.seed),
            unseen_share=spec.training.unseen_share,
            event_dropout=spec.augmentation.event_dropout,
        ),
        counts * objective.weights.astype(float),
        valid,
        prefixes=spec.augmentation.prefixes,
        shift=objective.shift,
    )
    # Gradient boosting keeps all its rounds, those after the best one too.
    kept = epochs[-1]
    seconds = time.perf_counter() - began
    log(_epoch_line(kept, len(train) / seconds))
    history = History(unit=estimator.unit, epochs=epochs, best_epoch=kept.epoch, seconds=[seconds])
    logits = partial(estimator.logits, valid)
    calibration = objective.fit_logit_calibration(logits, length=encoding.length)
    losses = partial(objective.logit_losses, logits, length=encoding.length)
    return Fitted(estimator.save, losses, calibration, history)


def _epoch_line(metrics: EpochMetrics, speed: float) -> str:
    """Return the log line of an epoch; speed: sessions per second."""
    auc = "" if metrics.valid_auc is None else f"valid AUC {metrics.valid_auc:.4f}  "
    return (
        f"epoch {metrics.epoch:3d}  loss {metrics.loss:.5f}  valid loss {metrics.valid_loss:.5f}  "
        f"{auc}{speed:,.0f} sessions/s"
    )


def train(
    spec: TrainSpec,
    *,
    windows: Path,
    output: Path,
    history: Path,
    code: str,
    resume: ResumeOptions,
    file: Path | None = None,
) -> None:
    """Train a model; write it to the folder `output`, and its training history to `history`.

    With `spec.tune`, it is trained with several settings, and valid chooses (see `tune`).

    As several tasks of a Slurm step, a network's training shares the work, and the primary task writes. Only
    the `seconds` of the history depend on more than the arguments.

    A network's state is saved in `resume.folder` (see `ResumeCheckpoints`). A training that was killed
    continues from it when it is started again with the same spec, windows and `code` (any text that
    identifies the code's version).

    file: the user's own file with the model, None for a model of the package. Raises `UserError` when train
    or valid cannot be trained on, or when the file's model cannot be trained.
    """
    model = model_code(spec.model, spec.settings, file)
    if model.is_network:
        join_processes()
    elif spec.target != "buyer":
        raise UserError(f"{model.place}: an estimator supports the target `buyer` only, not {spec.target}.")
    elif not is_primary():
        # An estimator cannot share the work.
        return
    encoding = read_encoding(windows)
    objective = objective_class(spec.target).read(
        windows, encoding, balance=spec.balance, augmentation=spec.augmentation
    )
    encoded = WindowsManifest.read(manifest_path(windows))
    manifest = encoded.model_dump(mode="json")
    log = partial(_log, f"{windows.parent.name} {spec.model}")
    states: list[ResumeCheckpoints] = []

    def fit(spec: TrainSpec, part: str) -> Fitted:
        if not model.is_network:
            estimator = model_code(spec.model, spec.settings, file)
            return fit_estimator(spec, estimator, objective, encoding, windows, log)
        digest = settings_digest(spec.to_json(), code, manifest)
        # Kept until the end: if the training is killed, finished trials of a search are not trained again.
        states.append(ResumeCheckpoints(Path(resume.folder) / digest, minutes=resume.minutes))
        return fit_network(spec, objective, encoding, states[-1], log, file, part)

    with _errors_at(model.place):
        if spec.tune is None or not _can_choose(encoded.splits["valid"]):
            fitted, tuning = fit(spec, ""), None
        else:
            spec, fitted, tuning = tune(spec, spec.tune, fit, model.settings, log)
    if not is_primary():
        return
    description = ModelDescription(
        model=spec.model,
        settings=spec.settings,
        file=None if file is None else file.name,
        target=spec.target,
        outputs=objective.outputs,
        fields=encoding.fields,
        sizes=encoding.sizes,
        length=encoding.length,
        roots=encoding.roots,
        batch_size=spec.training.batch_size if isinstance(spec.training, NetworkTraining) else None,
        calibration=fitted.calibration,
        prefixes=spec.augmentation.prefixes,
        history=encoding.history,
    )
    with _errors_at(model.place), atomic_write(output) as folder:
        files = [windows / name for name in encoding.files]
        write_description(folder, description, files if file is None else [*files, file])
        fitted.save(folder)
        CheckpointFiles.seal(folder)
    fitted.history.model_copy(update={"tuning": tuning}).write(history)
    for state in states:
        state.remove()


def _can_choose(valid: WindowCounts) -> bool:
    """Return whether valid can choose between settings; warn where it can't.

    With buyers alone, or without one, its log loss is lowest for the model that says so of everybody.
    """
    if 0 < valid.buyers < valid.rows:
        return True
    LOGGER.warning("Warning: valid lacks buyers or others, so `tune` has nothing to choose by: no search.")
    return False


@contextmanager
def _errors_at(place: str) -> Iterator[None]:
    """Let the messages of `UserError` say which model they are about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _log(name: str, text: str) -> None:
    """Log a line about one training; only the primary process logs."""
    if is_primary():
        LOGGER.info("%s: %s", name, text)
