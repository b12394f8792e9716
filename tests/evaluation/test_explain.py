"""A trained model explained, from its checkpoint to explanation.json (networks: tests/runs)."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import window, write_windows
from sklearn.metrics import roc_auc_score

from rabbithole.artifacts.evaluation import Explanation
from rabbithole.evaluation.explain import explain
from rabbithole.evaluation.score_sessions import score
from rabbithole.specs.training import (
    AugmentationSpec,
    EstimatorTraining,
    ExplainSpec,
    ResumeOptions,
    ScoreSpec,
    TrainSpec,
)
from rabbithole.training.train import train

pytestmark = pytest.mark.slow

LENGTH = 6
SPEC = TrainSpec(
    model="gradient_boosting",
    settings={"learning_rate": 0.1, "iterations": 40, "leaves": 8},
    training=EstimatorTraining(unseen_share=0.01),
    balance="none",
    augmentation=AugmentationSpec(prefixes=True, event_dropout=0.0),
    target="buyer",
    seed=0,
)


def signed(count: int, seed: int) -> list[dict[str, Any]]:
    """Return sessions, two in five of which begin with an add-to-cart, as most buyers do."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        steps, sign = int(rng.integers(1, LENGTH + 1)), rng.random() < 0.4
        buyer = int(rng.random() < (0.8 if sign else 0.1))
        events = [5 if sign else 4] + [4] * (steps - 1)
        items = rng.integers(4, 20, steps).tolist()
        rows.append(window(f"{seed}-{number:05d}", buyer, items, event=events))
    return rows


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train trees on such sessions, score and explain them."""
    folder = tmp_path_factory.mktemp("explained")
    windows = write_windows(
        folder / "windows",
        length=LENGTH,
        vocabularies={"event": ["view", "addtocart"]},
        train=signed(4000, 0),
        valid=signed(500, 1),
        test=signed(1200, 2),
    )
    train(
        SPEC,
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        code="",
        resume=ResumeOptions(folder=str(folder / "resume"), minutes=5.0),
    )
    steps = tuple(range(1, LENGTH + 1))
    score(
        ScoreSpec(steps=steps),
        checkpoint=folder / "model",
        windows=windows,
        output=folder / "scores.parquet",
    )
    for name in ("explanation", "again"):
        explain(
            ExplainSpec(seed=0),
            checkpoint=folder / "model",
            history=folder / "history.json",
            windows=windows,
            output=folder / f"{name}.json",
        )
    return folder


def test_the_auc_on_valid_is_that_of_the_model_that_was_kept(explained: Path) -> None:
    table = pq.read_table(explained / "scores.parquet")
    valid = table.filter(pc.and_(pc.equal(table["split"], "valid"), pc.equal(table["steps"], 0)))
    auc = roc_auc_score(valid["buyer"].to_numpy(), valid["score"].to_numpy())
    assert Explanation.read(explained / "explanation.json").valid_auc == pytest.approx(auc)


def test_the_planted_field_and_step_have_the_importance(explained: Path) -> None:
    explanation = Explanation.read(explained / "explanation.json")
    assert explanation.sessions == explanation.test_sessions == 1200
    fields = {row.field: row.auc_lost for row in explanation.fields if row.auc_lost}
    assert len(fields) == 9
    assert fields.pop("event").low > 0.2
    assert all(abs(lost.value) < 0.02 for lost in fields.values())
    steps = {(row.first, row.last): row.auc_lost for row in explanation.steps if row.auc_lost}
    assert steps[None, None].low > 0.2
    assert abs(steps[1, 1].value) < steps[None, None].value / 2
    assert (explained / "again.json").read_bytes() == (explained / "explanation.json").read_bytes()


def test_journeys_show_the_scores_of_running_sessions(explained: Path) -> None:
    journeys = Explanation.read(explained / "explanation.json").journeys
    kinds = [(journey.bought, journey.rising) for journey in journeys]
    assert kinds == [
        (bought, rising) for bought in (True, False) for rising in (True, False) for _ in range(3)
    ]
    scores = pq.read_table(explained / "scores.parquet").to_pandas()
    scores = scores[scores.split == "test"].set_index(["session_id", "steps"]).score
    for journey in journeys:
        count = len(journey.probability)
        assert 5 <= count <= LENGTH
        expected = [scores[journey.session_id, k] for k in range(1, count + 1)]
        assert journey.probability == pytest.approx(expected, rel=1e-5)
        assert len(journey.event) == len(journey.again) == count
        assert set(journey.event) <= {"view", "addtocart"}
    rise = [journey.probability[-1] - journey.probability[0] for journey in journeys]
    assert min(rise[:3]) > max(rise[3:6])
    assert min(rise[6:9]) > max(rise[9:])
