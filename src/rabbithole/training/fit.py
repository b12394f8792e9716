"""Fits one model: a network by gradient descent, or an estimator by its own fit.

It is fitted once, or with several settings: a small search, drawn with the model's seed, of which valid
chooses.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.training import Calibration, EpochMetrics, History, Trial, Tuning
from rabbithole.errors import UserError
from rabbithole.models.registry import Estimator, ModelCode
from rabbithole.models.settings import ModelSettings
from rabbithole.specs.base import JsonObject
from rabbithole.specs.training import NetworkTraining, TrainSpec
from rabbithole.training.augmentation import augment_windows
from rabbithole.training.batching import make_rng
from rabbithole.training.checkpoints import ResumeCheckpoints, save_weights
from rabbithole.training.data import Encoding
from rabbithole.training.mesh import primary_value
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


TRIALS = 12
"""Trainings of a search, the one with the configured settings included."""

Fit = Callable[[TrainSpec, str], Fitted]
"""Fits the model of a spec. The text says which trial it is."""


def tune(
    spec: TrainSpec,
    minutes: float,
    fit: Fit,
    settings: ModelSettings,
    log: Log,
) -> tuple[TrainSpec, Fitted, Tuning]:
    """Fit a model with several settings; return the best spec, its model, and what was tried.

    The configured settings are the first trial; the others are drawn at random from the values of `search` in
    the model's class `Settings`. No trial begins once `minutes` have passed. The best one has the lowest log
    loss on valid, over ended and running sessions. It replaces the configured one only where it is better by
    more than the standard error of the difference: with few buyers in valid, small differences are
    chance (after the one-standard-error rule of Breiman, Friedman, Olshen and Stone 1984,
    Classification and Regression Trees, section 3.4.3). Raises `UserError` where the configured settings
    cannot be trained; another trial that cannot is passed over.
    """
    began = time.monotonic()
    candidates = draw_candidates(settings, seed=spec.seed)
    chosen, best = spec, fit(spec, _part(0, candidates))
    configured = least = _losses(best)
    trials = [Trial(settings={}, valid_loss=float(least.mean()))]
    number = 0
    for changes in candidates[1:]:
        # All processes of a training must agree on whether another trial begins.
        if primary_value(time.monotonic() - began) > 60 * minutes:
            break
        trial = spec.model_copy(update={"settings": {**spec.settings, **changes}})
        try:
            fitted = fit(trial, _part(len(trials), candidates))
        except UserError as error:
            trials.append(Trial(settings=changes, valid_loss=None))
            log(f"{trials[-1].words}: {error}")
            continue
        losses = _losses(fitted)
        trials.append(Trial(settings=changes, valid_loss=float(losses.mean())))
        log(f"{trials[-1].words}: valid loss {losses.mean():.5f} (configured: {configured.mean():.5f})")
        if losses.mean() < least.mean() and is_better(losses, configured):
            chosen, best, least, number = trial, fitted, losses, len(trials) - 1
    log(f"chosen: {trials[number].words}")
    return chosen, best, Tuning(minutes=minutes, candidates=len(candidates), trials=trials, chosen=number)


def draw_candidates(settings: ModelSettings, *, seed: int) -> list[JsonObject]:
    """Return the changes of each trial, at most `TRIALS`: none, then combinations in a random order.

    Raises `UserError` where `search` names a key that the settings lack.
    """
    searched = settings.search
    current = settings.model_dump(mode="json")
    if unknown := [key for key in searched if key not in current]:
        raise UserError(f"`search` of the class Settings names {unknown[0]}, which is no setting.")
    combinations = [
        {key: value for key, value in zip(searched, values, strict=True) if value != current[key]}
        for values in product(*searched.values())
    ]
    others = [changes for changes in combinations if changes]
    drawn = make_rng(seed).permutation(len(others))[: TRIALS - 1]
    return [{}, *(others[index] for index in drawn)]


def _losses(fitted: Fitted) -> NDArray[np.float64]:
    losses = fitted.losses()
    assert losses is not None, "settings are searched for the target `buyer` only"
    return losses


def is_better(losses: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Return whether losses are lower on average by more than the standard error of the difference."""
    gains = others - losses
    return bool(gains.mean() > gains.std() / math.sqrt(len(gains)))


def _part(number: int, candidates: list[JsonObject]) -> str:
    return f"trial {number + 1} of {len(candidates)}" if len(candidates) > 1 else ""
