"""Scores of logs with next to nothing in them: metrics and figures without a failure or a warning."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from factories.scores import SCHEMA, write_scores_table

from rabbithole.evaluation.evaluate import evaluate
from rabbithole.registry import load_module
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.report import FigureStyle

RANDOM = np.random.default_rng(0).random(50)


def odd_scores(labels: list[int], scores: np.ndarray, *, valid: int) -> pa.Table:
    """Return scores of ended and running test sessions, and of `valid` valid sessions, the first a buyer."""
    parts = [("test", steps, labels, scores) for steps in (0, 1, 3)]
    parts.append(("valid", 0, [1, *[0] * 40][:valid], RANDOM))
    return pa.concat_tables(
        pa.table(
            {
                "session_id": [f"{split}-{number}" for number in range(len(buyers))],
                "split": [split] * len(buyers),
                "steps": [steps] * len(buyers),
                "buyer": buyers,
                "score": predicted[: len(buyers)],
            }
        ).cast(SCHEMA)
        for split, steps, buyers, predicted in parts
    )


@pytest.mark.parametrize(
    ("labels", "scores", "valid"),
    [
        ([1] + [0] * 49, RANDOM, 40),
        ([1] + [0] * 49, np.full(50, 0.1), 40),
        ([1] * 5, np.zeros(5), 1),
        ([0] * 50, np.ones(50), 40),
        ([1], RANDOM, 0),
        ([1, 0], np.array([0.9, 1e-300]), 2),
    ],
)
def test_odd_scores_have_metrics_and_figures(
    labels: list[int], scores: np.ndarray, valid: int, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.json"
    write_scores_table(odd_scores(labels, scores, valid=valid), tmp_path / "scores.parquet")
    evaluate(
        EvaluateSpec(contact_cost=1.0, sale_worth=50.0), scores=tmp_path / "scores.parquet", output=metrics
    )
    for name in ("roc", "precision_recall", "reliability", "early", "gain"):
        draw = getattr(load_module("figure", name), name)
        draw(
            metrics={"gru seed 0": metrics},
            style=FigureStyle(width=4.8, font_size=10.0),
            output=tmp_path / "figure.svg",
        )
        assert (tmp_path / "figure.svg").stat().st_size > 0
