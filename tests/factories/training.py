"""Specs of short trainings."""

from typing import Any

from rabbithole.specs.base import JsonObject
from rabbithole.specs.training import EstimatorTraining, NetworkTraining, TrainSpec

Row = dict[str, Any]


def network_settings(**changes: Any) -> JsonObject:
    """Return the settings of a tiny network, with some entries changed."""
    values: Row = {
        "embedding_width": 4,
        "width": 8,
        "layers": 1,
        "dropout": 0.1,
        "learning_rate": 0.01,
        "weight_decay": 0.0001,
    }
    return values | changes


def network_training(**changes: Any) -> NetworkTraining:
    """Return how to train a tiny network, with some entries changed."""
    values: Row = {
        "batch_size": 64,
        "epochs": 2,
        "epoch_sessions": 100_000,
        "patience": 2,
        "unseen_share": 0.01,
    }
    return NetworkTraining(**values | changes)


def train_spec(model: str = "gru", **changes: Any) -> TrainSpec:
    """Return the spec of a short training on the purchase target, with some entries changed."""
    trees = model == "gradient_boosting"
    estimator = trees or model == "logistic_regression"
    settings = {"learning_rate": 0.1, "iterations": 60, "leaves": 8} if trees else {}
    values: Row = {
        "model": model,
        "settings": settings if estimator else network_settings(),
        "training": EstimatorTraining(unseen_share=0.01) if estimator else network_training(),
        "balance": "none",
        "augmentation": {"prefixes": True, "event_dropout": 0.0},
        "target": "buyer",
        "seed": 0,
    }
    return TrainSpec(**values | changes)
