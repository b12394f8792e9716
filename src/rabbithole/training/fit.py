"""Fits one model once: a network by gradient descent, or an estimator by its own fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.training import Calibration, EpochMetrics, History
from rabbithole.errors import UserError
from rabbithole.models.registry import Estimator, ModelCode
from rabbithole.specs.training import NetworkTraining, TrainSpec
from rabbithole.training.augmentation import augment_windows
from rabbithole.training.batching import make_rng
from rabbithole.training.checkpoints import ResumeCheckpoints, save_weights
from rabbithole.training.data import Encoding
from rabbithole.training.objective import Objective
from rabbithole.training.trainer import make_trainer

Log = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A fitted model. save: writes it into a folder; losses: returns `Objective.valid_losses`."""

    save: Callable[[Path], None]
    losses: Callable[[], NDArray[np.float64] | None]
    calibration: Calibration | None
    history: History


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
