"""Specs of training, scoring and explaining the models of a data set."""

from typing import Literal

from rabbithole.specs.base import Spec

Target = Literal["buyer", "next_event"]
Balance = Literal["none", "undersample", "oversample", "class_weight"]


class NetworkSettings(Spec):
    """A network's own settings; see `rabbithole.config.models.Network`."""

    embedding_width: int
    width: int
    layers: int
    dropout: float
    learning_rate: float
    weight_decay: float


class TreesSettings(Spec):
    """A gradient-boosting model's own settings; see `rabbithole.config.models.Trees`."""

    learning_rate: float
    iterations: int
    leaves: int


class NetworkTraining(Spec):
    """How networks are trained. batch_size: sessions per step at most; unseen_share: of masked codes."""

    batch_size: int
    epochs: int
    patience: int
    unseen_share: float


class TreesTraining(Spec):
    """What gradient boosting reads of the training settings."""

    unseen_share: float


class AugmentationSpec(Spec):
    """Training-time augmentation. prefixes: learn from every prefix as a running session."""

    prefixes: bool
    event_dropout: float


class TrainSpec(Spec):
    """One model, trained once. A network takes NetworkSettings, trees take TreesSettings."""

    model: str
    settings: NetworkSettings | TreesSettings
    training: NetworkTraining | TreesTraining
    balance: Balance
    augmentation: AugmentationSpec
    target: Target
    seed: int


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
