"""What figures read: files by score name, grouped by model."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.files import read_json
from rabbithole.report.names import by_model


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
