"""A trained model explained, from its checkpoint to explanation.json (networks: tests/runs)."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from factories import window, write_windows

from rabbithole.evaluation.explain import explain
from rabbithole.training.score import score
from rabbithole.training.train import train

LENGTH = 6


def signed(count, seed):
    """Sessions of which two in five begin with a sign, which makes buyers of most."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        steps, sign = int(draw.integers(1, LENGTH + 1)), draw.random() < 0.4
        buyer = int(draw.random() < (0.8 if sign else 0.1))
        events = [5 if sign else 4] + [4] * (steps - 1)
        items = draw.integers(4, 20, steps).tolist()
        rows.append(window(f"{seed}-{number:05d}", buyer, items, event=events))
    return rows


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """Train trees on such sessions, score and explain them."""
    folder = tmp_path_factory.mktemp("explained")
    windows = write_windows(
        folder / "windows", length=LENGTH, train=signed(4000, 0), valid=signed(500, 1), test=signed(1200, 2)
    )
    told = json.loads((windows / "encoder.json").read_text())
    told["vocabularies"] = {"event": ["view", "addtocart"]}
    (windows / "encoder.json").write_text(json.dumps(told))
    train(
        model="gradient_boosting",
        windows=windows,
        output=folder / "model",
        history=folder / "history.json",
        settings={"learning_rate": 0.1, "iterations": 40, "leaves": 8},
        training={"unseen_share": 0.01},
        balance="none",
        augmentation={"prefixes": True, "event_dropout": 0.0},
        seed=0,
        code="",
        resume=folder / "resume",
        checkpoint_minutes=5,
    )
    steps = list(range(1, LENGTH + 1))
    score(checkpoint=folder / "model", windows=windows, steps=steps, output=folder / "scores.parquet")
    for name in ("explanation", "again"):
        explain(
            checkpoint=folder / "model",
            history=folder / "history.json",
            windows=windows,
            seed=0,
            output=folder / f"{name}.json",
        )
    return folder


def test_the_planted_field_and_step_are_found(explained):
    found = json.loads((explained / "explanation.json").read_text())
    assert found["sessions"] == found["test_sessions"] == 1200
    lost = {row["field"]: row["auc_lost"] for row in found["fields"]}
    assert lost.pop("event")["low"] > 0.2
    assert all(abs(one["value"]) < 0.02 for one in lost.values())
    steps = {(row["from"], row["to"]): row["auc_lost"] for row in found["steps"]}
    assert steps[None, None]["low"] > 0.2
    assert abs(steps[1, 1]["value"]) < steps[None, None]["value"] / 2
    assert (explained / "again.json").read_bytes() == (explained / "explanation.json").read_bytes()


def test_journeys_tell_the_scores_of_running_sessions(explained):
    found = json.loads((explained / "explanation.json").read_text())["journeys"]
    kinds = [(one["bought"], one["rising"]) for one in found]
    assert kinds == [
        (bought, rising) for bought in (True, False) for rising in (True, False) for _ in range(3)
    ]
    scores = pq.read_table(explained / "scores.parquet").to_pandas()
    scores = scores[scores.split == "test"].set_index(["session_id", "steps"]).score
    for one in found:
        count = len(one["probability"])
        assert 5 <= count <= LENGTH
        expected = [scores[one["session_id"], k] for k in range(1, count + 1)]
        assert one["probability"] == pytest.approx(expected, rel=1e-5)
        assert len(one["event"]) == len(one["again"]) == count
        assert set(one["event"]) <= {"view", "addtocart"}
    rise = [one["probability"][-1] - one["probability"][0] for one in found]
    assert min(rise[:3]) > max(rise[3:6])
    assert min(rise[6:9]) > max(rise[9:])
