"""Scores at the first add-to-cart are those of the session while it runs, after the event that it was."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from factories import network_training, train_spec, window, write_windows

from rabbithole.evaluation.score_sessions import score
from rabbithole.specs.training import ResumeOptions, ScoreSpec
from rabbithole.training.train import train

LENGTH = 5
VIEW, CART = 4, 5


def sessions(prefix: str, count: int, rng: np.random.Generator) -> tuple[list[dict], list[dict], dict]:
    """Return windows, the first events of those longer than a window, and the event of the first cart."""
    rows, prefixes, carts = [], [], {}
    for number in range(count):
        name, buyer = f"{prefix}{number:04d}", int(rng.random() < 0.3)
        steps = int(rng.integers(1, LENGTH + 4))
        events = np.where(rng.random(steps) < 0.15 + 0.2 * buyer, CART, VIEW).tolist()
        items = rng.integers(4, 20, steps).tolist()
        last, first = slice(-LENGTH, None), slice(0, LENGTH)
        rows.append(window(name, buyer, items[last], event=events[last]) | {"events": steps})
        if steps > LENGTH:
            prefixes.append(window(name, buyer, items[first], event=events[first]) | {"events": steps})
        if CART in events[:LENGTH]:
            carts[name] = events.index(CART) + 1
    return rows, prefixes, carts


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "gradient_boosting"])
@pytest.mark.parametrize("events", [["view", "addtocart"], ["view", "favourite"]])
def test_a_session_is_scored_at_its_first_cart(model: str, events: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train_rows, valid_rows, (test_rows, prefixes, carts) = (
        sessions(name, count, rng) for name, count in (("train", 600), ("valid", 200), ("test", 300))
    )
    windows = write_windows(
        tmp_path / "windows",
        length=LENGTH,
        vocabularies={"event": events},
        train=train_rows[0],
        valid=valid_rows[0],
        valid_prefixes=valid_rows[1],
        test=test_rows,
        test_prefixes=prefixes,
    )
    train(
        train_spec(model, **({"training": network_training()} if model == "gru" else {})),
        windows=windows,
        output=tmp_path / "model",
        history=tmp_path / "history.json",
        code="",
        resume=ResumeOptions(folder=str(tmp_path / "resume"), minutes=5.0),
    )
    score(
        ScoreSpec(steps=(1, 2, 3, 4, 5)),
        checkpoint=tmp_path / "model",
        windows=windows,
        output=tmp_path / "scores.parquet",
        carts=tmp_path / "cart_scores.parquet",
    )
    scores = {row["session_id"]: row for row in pq.read_table(tmp_path / "cart_scores.parquet").to_pylist()}
    if "addtocart" not in events:
        assert not scores
        return
    assert {name: row["steps"] for name, row in scores.items()} == carts
    assert len(carts) > 100
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    running = {(row["session_id"], row["steps"]): row for row in rows if row["split"] == "test"}
    for name, row in scores.items():
        same = running[name, row["steps"]]
        assert row["score"] == pytest.approx(same["score"], abs=1e-6)
        assert row["buyer"] == same["buyer"]
