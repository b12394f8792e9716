"""Names, order and colours of runs, and artifacts by model.

A run is named by its model, or by its model and seed: "gru", "gru seed 1". The oracle's run is "oracle". The
ensemble of a model's seeds counts as a model of its own: "gru ensemble".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from rabbithole.artifacts.base import Artifact
from rabbithole.artifacts.evaluation import Explanation

ORACLE = "oracle"
ENSEMBLE = " ensemble"

DISPLAY_NAMES = {
    "gru": "GRU",
    "dilated_conv": "Dilated convolution",
    "lstm": "LSTM",
    "gradient_boosting": "Gradient boosting",
    "logistic_regression": "Logistic regression",
    "blend": "Blend",
    "most_frequent": "Most frequent",
    "markov": "Markov, first order",
    ORACLE: "Oracle (best possible)",
    "deck": "Deck network",
    "char_gru": "Character GRU",
}
"""Models in the order of the report."""

NAMES_IN_SENTENCE = {
    "gru": "the GRU",
    "dilated_conv": "the dilated convolution",
    "lstm": "the LSTM",
    "gradient_boosting": "gradient boosting",
    "logistic_regression": "logistic regression",
    "blend": "the blend",
    "most_frequent": "the most frequent class",
    "markov": "the first-order Markov chain",
    ORACLE: "the oracle",
    "deck": "the deck network",
    "char_gru": "the character GRU",
}

FIELD_NAMES = {
    "dwell": "dwell time",
    "weekday": "day of week",
    "week": "week of year",
    "sessions_ago": "sessions ago",
}

COLOURS = {
    "gru": "#2f7ed8",
    "dilated_conv": "#e6772e",
    "lstm": "#a05bd6",
    "gradient_boosting": "#2aa876",
    "logistic_regression": "#8c6d5a",
    "blend": "#c2a02e",
    ORACLE: "#8a8f98",
    "deck": "#e6772e",
    "char_gru": "#2f7ed8",
}
"""Mid tones that differ on white and on black, and for the colour-blind."""

OTHER_COLOURS = ("#d6457a", "#5a7fd6", "#3fb6c6", "#6b7a3a")

A = TypeVar("A", bound=Artifact)


def model_of(run: str) -> str:
    """Return the model of a run: "gru" for "gru seed 1"."""
    return re.sub(r" seed \d+$", "", run)


def display_name(model: str) -> str:
    """Return a model's name as a label."""
    if model.endswith(ENSEMBLE):
        return f"{display_name(model.removesuffix(ENSEMBLE))} ensemble"
    return DISPLAY_NAMES.get(model, model.replace("_", " ").capitalize())


def name_in_sentence(model: str) -> str:
    """Return a model's name as part of a sentence."""
    if model.endswith(ENSEMBLE):
        return f"the ensemble of {name_in_sentence(model.removesuffix(ENSEMBLE))}"
    return NAMES_IN_SENTENCE.get(model, model.replace("_", " "))


def run_name(run: str, *, with_seed: bool) -> str:
    """Return a run's name as a label, with or without its seed."""
    model = model_of(run)
    return display_name(model) + (run.removeprefix(model).replace(" seed", ", seed") if with_seed else "")


def field_name(field: str) -> str:
    """Return a field's name as a label."""
    return FIELD_NAMES.get(field, field)


def colour(model: str) -> str:
    """Return the colour of a model, the same in every figure; an ensemble has that of its model."""
    model = model.removesuffix(ENSEMBLE)
    spare = OTHER_COLOURS[sha256(model.encode()).digest()[0] % len(OTHER_COLOURS)]
    return COLOURS.get(model, spare)


@dataclass(frozen=True)
class ModelRow:
    """A row of a table on models, with the model's name as a label and its colour."""

    model: str

    @property
    def name(self) -> str:
        """Return the model's name as a label."""
        return display_name(self.model)

    @property
    def colour(self) -> str:
        """Return the model's colour."""
        return colour(self.model)

    @property
    def is_oracle(self) -> bool:
        """Return whether this is the oracle, the best possible score or prediction."""
        return self.model == ORACLE


def by_model(runs: Iterable[str]) -> dict[str, list[str]]:
    """Group runs by model: known models in a fixed order, then others by name, the oracle last."""
    groups: dict[str, list[str]] = {}
    for run in sorted(runs):
        groups.setdefault(model_of(run), []).append(run)
    return {model: groups[model] for model in sorted(groups, key=_rank)}


def _rank(model: str) -> tuple[bool, int, str]:
    order, single = list(DISPLAY_NAMES), model.removesuffix(ENSEMBLE)
    position = order.index(single) if single in order else len(order)
    return model == ORACLE, position, model


def read_by_model(paths: dict[str, Path], artifact: type[A]) -> dict[str, list[A]]:
    """Read one artifact per run and return them by model, one per seed."""
    return {model: [artifact.read(paths[run]) for run in runs] for model, runs in by_model(paths).items()}


def best_on_valid(explanations: dict[str, Explanation]) -> str:
    """Return the run with the highest AUC on valid; the first one where valid has no AUC."""
    return max(explanations, key=lambda run: explanations[run].valid_auc or 0.0)
