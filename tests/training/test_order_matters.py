"""What a sequence model is for: only the order of events decides, or an event ninety steps ago.

Buyers and non-buyers have the same events equally often, so a model of counts must fail.
"""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from factories import Row, network_settings, network_training, train_spec, window, write_windows
from sklearn.metrics import roc_auc_score

from rabbithole.evaluation.delong import auc_interval, placements
from rabbithole.evaluation.score_sessions import score
from rabbithole.specs.training import ResumeOptions, ScoreSpec
from rabbithole.training.train import train

pytestmark = pytest.mark.slow

NETWORKS = ("gru", "dilated_conv")
BASELINE = "gradient_boosting"
SETTINGS = network_settings(embedding_width=8, width=16, dropout=0.0, learning_rate=0.02, weight_decay=0.0)


def order_only(rng: np.random.Generator, name: str) -> Row:
    """Return six events on six items; a buyer saw item 5 before item 6."""
    items = rng.permutation(np.arange(4, 10))
    return window(name, int(items.tolist().index(5) < items.tolist().index(6)), items.tolist())


def ninety_steps_back(rng: np.random.Generator, name: str) -> Row:
    """Return ninety-two events; a buyer's start with items 5, 6, another's with 6, 5, and noise follows."""
    buyer = int(rng.integers(2))
    first = [5, 6] if buyer else [6, 5]
    return window(name, buyer, first + rng.integers(10, 30, 90).tolist())


CASES = {"order only": (order_only, 10, 3), "ninety steps back": (ninety_steps_back, 100, 4)}


@pytest.fixture(scope="module", params=CASES)
def hard_windows(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    make, length, epochs = CASES[request.param]
    rng = np.random.default_rng(0)
    splits = {
        split: [make(rng, f"{split}{number:05d}") for number in range(count)]
        for split, count in (("train", 1200), ("valid", 200), ("test", 400))
    }
    return write_windows(tmp_path_factory.mktemp("hard") / "windows", length=length, **splits), epochs


@pytest.mark.parametrize("model", [*NETWORKS, BASELINE])
def test_networks_use_the_order_and_the_baseline_cannot(
    model: str, hard_windows: tuple[Path, int], tmp_path: Path
) -> None:
    windows, epochs = hard_windows
    if model == BASELINE:
        spec = train_spec(model, training={"unseen_share": 0.0})
    else:
        training = network_training(epochs=epochs, patience=epochs, unseen_share=0.0)
        spec = train_spec(model, settings=SETTINGS, training=training)
    train(
        spec,
        windows=windows,
        output=tmp_path / "model",
        history=tmp_path / "history.json",
        code="",
        resume=ResumeOptions(folder=str(tmp_path / "resume"), minutes=5.0),
    )
    score(
        ScoreSpec(steps=(1,)),
        checkpoint=tmp_path / "model",
        windows=windows,
        output=tmp_path / "scores.parquet",
    )
    table = pq.read_table(tmp_path / "scores.parquet")
    table = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    labels, scores = table["buyer"].to_numpy(), table["score"].to_numpy()
    if model == BASELINE:
        low, high = auc_interval(placements(labels, scores))
        assert low <= 0.5 <= high
    else:
        assert roc_auc_score(labels, scores) > 0.95
