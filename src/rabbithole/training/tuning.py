"""A small search for better settings: the model's seed draws them, and valid chooses the best."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.training import Calibration, History, Trial, Tuning
from rabbithole.errors import UserError
from rabbithole.models.settings import ModelSettings
from rabbithole.specs.base import JsonObject
from rabbithole.specs.training import TrainSpec
from rabbithole.training.batching import make_rng
from rabbithole.training.loop import primary_value

TRIALS = 12
"""Trainings of a search, the one with the configured settings included."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A fitted model. save: writes it into a folder; losses: returns `Objective.valid_losses`."""

    save: Callable[[Path], None]
    losses: Callable[[], NDArray[np.float64] | None]
    calibration: Calibration | None
    history: History


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
