"""What a sequence model is for: order alone tells, and a sign from ninety steps ago.

The two kinds of sessions hold the same events as often, so that a baseline on counts must fail.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from window_fixtures import Session, session, write_windows

from rabbithole.evaluation.delong import auc_with_interval
from rabbithole.training.score import score
from rabbithole.training.train import train

NETWORKS = ("gru", "dilated_conv")
BASELINE = "gradient_boosting"
NETWORK = {
    "embedding_width": 8,
    "width": 16,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}
TREES = {"learning_rate": 0.1, "iterations": 60, "leaves": 8}


def order_alone(rng: np.random.Generator, name: str) -> Session:
    """Six events of six items; a buyer saw item 5 before item 6, wherever these two stand."""
    items = rng.permutation(np.arange(4, 10))
    return session(name, int(items.tolist().index(5) < items.tolist().index(6)), items.tolist())


def ninety_steps_back(rng: np.random.Generator, name: str) -> Session:
    """Ninety-two events; a buyer's begin with item 5, then 6, another's with 6, then 5, and noise follows."""
    buyer = int(rng.integers(2))
    first = [5, 6] if buyer else [6, 5]
    return session(name, buyer, first + rng.integers(10, 30, 90).tolist())


CASES = {"order alone": (order_alone, 10, 3), "ninety steps back": (ninety_steps_back, 100, 4)}


@pytest.fixture(scope="module", params=CASES)
def hard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    make, length, epochs = CASES[request.param]
    rng = np.random.default_rng(0)
    splits = {
        split: [make(rng, f"{split}{number:05d}") for number in range(count)]
        for split, count in (("train", 1200), ("valid", 200), ("test", 400))
    }
    return write_windows(tmp_path_factory.mktemp("hard") / "windows", length=length, **splits), epochs


@pytest.mark.parametrize("model", [*NETWORKS, BASELINE])
def test_networks_tell_by_order_and_the_baseline_cannot(
    model: str, hard: tuple[Path, int], tmp_path: Path
) -> None:
    windows, epochs = hard
    training: dict[str, Any] = {"batch_size": 64, "epochs": epochs, "patience": epochs, "unseen_share": 0.0}
    train(
        model=model,
        windows=windows,
        output=tmp_path / "model",
        history=tmp_path / "history.json",
        settings=TREES if model == BASELINE else NETWORK,
        training=training,
        balance="none",
        augmentation={"prefixes": True, "event_dropout": 0.0},
        seed=0,
        code="",
        resume=tmp_path / "resume",
        checkpoint_minutes=5,
    )
    score(checkpoint=tmp_path / "model", windows=windows, steps=[1], output=tmp_path / "scores.parquet")
    table = pq.read_table(tmp_path / "scores.parquet")
    table = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.equal(table["steps"], 0)))
    auc = auc_with_interval(table["buyer"].to_numpy(), table["score"].to_numpy())
    if model == BASELINE:
        assert auc["low"] <= 0.5 <= auc["high"], auc
    else:
        assert auc["value"] > 0.95, auc
