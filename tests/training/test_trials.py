"""The comparison of ways to train, on sessions small enough to train in seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
from factories import random_windows, write_windows

from rabbithole.studies import ablation as trials
from rabbithole.studies.ablation_report import ablation_tables

SETTINGS = {
    "embedding_width": 4,
    "width": 8,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}
TRAINING = {"batch_size": 64, "epochs": 6, "patience": 6, "unseen_share": 0.0}


def test_each_way_keeps_true_probabilities_and_each_moment_has_its_rival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "WAYS", {name: trials.WAYS[name] for name in ("none", "undersample")})
    rng = np.random.default_rng(0)
    splits = {
        split: random_windows(count, rng, prefix=split, buyers=0.15, longest=4)
        for split, count in (("train", 4000), ("valid", 500), ("test", 2000))
    }
    windows = write_windows(tmp_path / "windows", length=4, **splits)
    output = tmp_path / "trials.json"
    trials.trial(
        model="gru",
        settings=SETTINGS,
        training=TRAINING,
        seeds=[0],
        steps=[2, 5],
        windows=windows,
        oracle=None,
        output=output,
    )
    told = json.loads(output.read_text())
    assert [(row["name"], row["seed"]) for row in told["ways"]] == [("none", 0), ("undersample", 0)]
    for row in told["ways"]:
        assert row["sessions"] == 2000 and row["auc"]["value"] > 0.65, row
        # Learned on as many buyers as others, and yet the scores say how many buy.
        assert 0.75 * row["share"] < row["calibration"]["mean_score"] < 1.33 * row["share"], row
    # No session has five events.
    (moment,) = told["moments"]
    assert moment["steps"] == 2
    assert moment["sessions"] == sum(row["events"] >= 2 for row in splits["test"])
    assert min(moment["auc"], moment["alone"]) > 0.6 and abs(moment["difference"]) < 0.05, moment

    ablation_tables(trials={"shop": {"gru": output}}, output=tmp_path / "compare.md")
    text = (tmp_path / "compare.md").read_text()
    assert f"| none | 1 | {told['ways'][0]['auc']['value']:.4f} |" in text
