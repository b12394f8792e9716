"""Names of scores, and how the report shows them.

A score is named by its model, or by its model and seed: "gru", "gru seed 1"; the oracle's is "oracle". An
ensemble of a model's seeds counts as a model of its own: "gru ensemble".
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.io.atomic import read_json

ORACLE = "oracle"
ENSEMBLE = " ensemble"
SHOWN = {
    "gru": "GRU",
    "dilated_conv": "Dilated convolution",
    "gradient_boosting": "Gradient boosting",
    "most_frequent": "Most frequent",
    "markov": "Markov, first order",
    ORACLE: "Oracle (best possible)",
    "deck": "The deck's network",
    "char_gru": "Ours",
}
WITHIN = {
    "gru": "the GRU",
    "dilated_conv": "the dilated convolution",
    "gradient_boosting": "gradient boosting",
    "most_frequent": "the most frequent class",
    "markov": "the first-order Markov chain",
    ORACLE: "the oracle",
    "deck": "the deck's network",
    "char_gru": "ours",
}
ORDER = tuple(SHOWN)
FIELDS = {"dwell": "dwell time", "weekday": "day of week", "week": "week of year"}


def model_of(name: str) -> str:
    """Return the model that a score's name speaks of: "gru" for "gru seed 1"."""
    return re.sub(r" seed \d+$", "", name)


def display_name(model: str) -> str:
    """Return a model's name as a reader sees it."""
    if model.endswith(ENSEMBLE):
        return f"{display_name(model.removesuffix(ENSEMBLE))}, all seeds together"
    return SHOWN.get(model, model.replace("_", " ").capitalize())


def name_in_sentence(model: str) -> str:
    """Return a model's name as it stands within a sentence."""
    if model.endswith(ENSEMBLE):
        return f"{name_in_sentence(model.removesuffix(ENSEMBLE))} of all seeds together"
    return WITHIN.get(model, model.replace("_", " "))


def field_name(field: str) -> str:
    """Return a field's name as a reader sees it."""
    return FIELDS.get(field, field)


def run_name(name: str, *, with_seed: bool) -> str:
    """Return a score's name as a reader sees it, with or without its seed."""
    model = model_of(name)
    return display_name(model) + (name.removeprefix(model).replace(" seed", ", seed") if with_seed else "")


def by_model(names: list[str]) -> dict[str, list[str]]:
    """Group names of scores by model: known models in a set order, then others by name, the oracle last."""
    models = sorted({model_of(name) for name in names}, key=_rank)
    return {model: sorted(name for name in names if model_of(name) == model) for model in models}


def _rank(model: str) -> tuple[bool, int, str]:
    single = model.removesuffix(ENSEMBLE)
    place = ORDER.index(single) if single in ORDER else len(ORDER)
    return model == ORACLE, place, model


def read_by_model(paths: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """Read one JSON file per score (metrics or history) and return them by model, one per seed."""
    groups = by_model(list(paths))
    return {model: [read_json(paths[name]) for name in names] for model, names in groups.items()}


def with_curve(
    groups: dict[str, list[dict[str, Any]]], curve: str
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each model with those of its metrics that hold `curve`, leaving out models without any."""
    for model, metrics in groups.items():
        kept = [one for one in metrics if one[curve]]
        if kept:
            yield model, kept


def best_on_valid(explanations: dict[str, dict[str, Any]]) -> str:
    """Return the name of the score of the best valid AUC; given: name -> explanation.json, as read."""
    return max(explanations, key=lambda name: float(explanations[name]["valid_auc"]))


def mean(values: Iterable[float]) -> float:
    """Return the mean of some numbers."""
    return float(np.mean(list(values)))
