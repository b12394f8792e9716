"""Specs of training, scoring and explaining the models of a data set."""

from typing import Literal

from pydantic import Field

from rabbithole.specs.base import JsonObject, Spec

Target = Literal["buyer", "next_event"]
Balance = Literal["none", "undersample", "oversample", "class_weight"]


class NetworkTraining(Spec):
    """How networks are trained.

    batch_size: sessions per step at most; epoch_sessions: sessions per epoch at most; unseen_share: of masked
    codes.
    """

    batch_size: int
    epochs: int
    epoch_sessions: int
    patience: int
    unseen_share: float


class EstimatorTraining(Spec):
    """What estimators read of the training settings."""

    unseen_share: float


class AugmentationSpec(Spec):
    """Training-time augmentation. prefixes: learn from every prefix as a running session."""

    prefixes: bool
    event_dropout: float


class TrainSpec(Spec):
    """One model, trained once. settings: its own, which its class `Settings` parses.

    tune: minutes of a search for better settings, None for no search.
    """

    model: str
    settings: JsonObject
    training: NetworkTraining | EstimatorTraining
    balance: Balance
    augmentation: AugmentationSpec
    target: Target
    seed: int
    tune: float | None = Field(None, exclude_if=lambda value: value is None)


class BlendSpec(Spec):
    """A combination of trained models. settings: its own, which its class `Settings` parses."""

    model: str
    settings: JsonObject


class ResumeOptions(Spec):
    """Where the state of a running training is kept, and how often. It changes no result."""

    folder: str
    minutes: float


class ScoreSpec(Spec):
    """Which predictions to make. steps: running sessions are scored after each of these events."""

    steps: tuple[int, ...]


class ExplainSpec(Spec):
    """How to explain a model. seed: of the sample of sessions and of the permutations."""

    seed: int
