import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logit
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from rabbithole.errors import UserError
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.curves import roc, thin
from rabbithole.evaluation.ensemble import ensemble
from rabbithole.evaluation.evaluate import evaluate

CAMPAIGN = {"contact_cost": 1.0, "sale_worth": 20.0}


def write_scores(path, seed=0, sessions=2003, noise=1.0, share_of_buyers=True, steps=(1, 5), shuffle=False):
    """Scores of valid (ended sessions) and test (ended and running ones), sorted as the contract says."""
    truth = np.random.default_rng(11).normal(-2.5, 1.2, sessions)
    bought = (np.random.default_rng(12).random(sessions) < expit(truth)) & share_of_buyers
    draw = np.random.default_rng(seed)
    rows = {name: [] for name in ("session_id", "split", "steps", "buyer", "score")}
    for split, k in [("test", 0), *(("test", k) for k in steps), ("valid", 0)]:
        kept = np.arange(0, sessions, max(k, 1))[: 40 if k == 5 else None]
        rows["session_id"] += [f"s{i:05d}" for i in kept]
        rows["split"] += [split] * len(kept)
        rows["steps"] += [k] * len(kept)
        rows["buyer"] += bought[kept].astype(int).tolist() if k != 5 else [0] * len(kept)
        rows["score"] += expit(truth[kept] + noise * draw.normal(size=len(kept))).tolist()
    table = pa.table(rows).cast(
        pa.schema(
            [
                ("session_id", pa.string()),
                ("split", pa.string()),
                ("steps", pa.int32()),
                ("buyer", pa.int8()),
                ("score", pa.float64()),
            ]
        )
    )
    if shuffle:
        table = table.take(np.random.default_rng(3).permutation(len(table)))
    pq.write_table(table, path)
    return table.to_pandas()


def test_metrics_say_what_scikit_learn_says(tmp_path):
    frame = write_scores(tmp_path / "scores.parquet")
    evaluate(**CAMPAIGN, scores=tmp_path / "scores.parquet", output=tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    ended = frame[(frame.split == "test") & (frame.steps == 0)]
    assert metrics["sessions"] == 2003
    assert metrics["buyers"] == ended.buyer.sum()
    assert metrics["auc"]["value"] == pytest.approx(roc_auc_score(ended.buyer, ended.score), abs=1e-8)
    assert metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"]
    expected = average_precision_score(ended.buyer, ended.score)
    assert metrics["average_precision"] == pytest.approx(expected, abs=1e-8)
    assert metrics["log_loss"] < metrics["log_loss_constant"]
    assert metrics["valid"]["auc"]["value"] > 0.5
    assert metrics["campaign"]["expected"]["value"] > metrics["campaign"]["everybody"]["value"]
    assert [row["top"] for row in metrics["lift"]] == [0.01, 0.05, 0.1]
    # Scores with noise are too extreme.
    assert metrics["calibration"]["slope"]["high"] < 1.0
    first, fifth = metrics["by_steps"]
    assert (first["steps"], first["sessions"], first["reason"]) == (1, 2003, None)
    assert fifth["auc"] is None
    assert "no buyers in 40" in fifth["reason"]
    # As running sessions all were scored after one event, forty of them after five.
    running = frame[(frame.split == "test") & (frame.steps == 1)]
    assert first["mean_score"] == pytest.approx(running.score.mean(), abs=1e-8)
    assert first["slope"]["high"] < 1.0
    short, long = metrics["by_length"]
    assert (short["from"], short["to"], short["sessions"]) == (1, 4, 1963)
    assert (long["from"], long["to"], long["sessions"]) == (5, None, 40)
    few = ended[~ended.session_id.isin(frame[frame.steps == 5].session_id)]
    assert short["auc"]["value"] == pytest.approx(roc_auc_score(few.buyer, few.score), abs=1e-8)


def test_the_same_scores_in_any_order_give_the_same_bytes(tmp_path):
    for name, shuffle in [("one", False), ("two", True)]:
        write_scores(tmp_path / name, shuffle=shuffle)
        evaluate(**CAMPAIGN, scores=tmp_path / name, output=tmp_path / f"{name}.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_missing_class_is_null_with_its_reason(tmp_path):
    write_scores(tmp_path / "scores.parquet", share_of_buyers=False)
    evaluate(**CAMPAIGN, scores=tmp_path / "scores.parquet", output=tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["auc"] is metrics["average_precision"] is metrics["roc"] is None
    assert "no buyers" in metrics["reason"]
    assert metrics["calibration"]["slope"] is None
    assert metrics["lift"] == []


def test_no_test_session_and_no_probability_are_named(tmp_path):
    table = pq.read_table(_written(tmp_path))
    pq.write_table(table.slice(table.num_rows - 2003), tmp_path / "valid_only")
    with pytest.raises(UserError, match="no ended session of the test split"):
        evaluate(**CAMPAIGN, scores=tmp_path / "valid_only", output=tmp_path / "metrics.json")
    broken = table.set_column(4, "score", pa.array([float("nan")] * table.num_rows))
    pq.write_table(broken, tmp_path / "nan")
    with pytest.raises(UserError, match=r"session s00000 is nan, no probability"):
        evaluate(**CAMPAIGN, scores=tmp_path / "nan", output=tmp_path / "metrics.json")
    assert not (tmp_path / "metrics.json").exists()


def _written(folder):
    write_scores(folder / "scores.parquet")
    return folder / "scores.parquet"


def test_thinned_roc_keeps_its_ends_and_its_area():
    draw = np.random.default_rng(0)
    labels = (draw.random(20_000) < 0.01).astype(int)
    scores = draw.normal(size=20_000) + labels
    curve = roc(labels, scores)
    x, y = curve["false_positive"], curve["true_positive"]
    assert len(x) <= 400
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert auc(x, y) == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)
    assert thin(np.linspace(0, 1, 5000), 7)[[0, -1]].tolist() == [0, 4999]


def test_comparison_pairs_sessions_by_their_id(tmp_path):
    write_scores(tmp_path / "good", noise=0.1)
    write_scores(tmp_path / "bad", noise=3.0, shuffle=True)
    write_scores(tmp_path / "twin", noise=0.1, shuffle=True)
    scores = {"oracle": tmp_path / "good", "gru seed 0": tmp_path / "bad", "gru seed 1": tmp_path / "twin"}
    compare_models(scores=scores, output=tmp_path / "comparison.json")
    found = json.loads((tmp_path / "comparison.json").read_text())
    pairs = {(pair["first"], pair["second"]): pair for pair in found["pairs"]}
    assert len(pairs) == 3
    assert pairs["oracle", "gru seed 0"]["difference"] > 0
    assert pairs["oracle", "gru seed 0"]["p"] < 1e-6
    assert pairs["oracle", "gru seed 1"]["p"] == 1.0


def test_comparison_of_different_sessions_is_refused(tmp_path):
    write_scores(tmp_path / "a")
    write_scores(tmp_path / "b", sessions=2002)
    with pytest.raises(UserError, match=r"different test sessions \(1 stand in one alone, such as s02002\)"):
        compare_models(scores={"a": tmp_path / "a", "b": tmp_path / "b"}, output=tmp_path / "c.json")


def test_an_ensemble_is_the_mean_of_log_odds(tmp_path):
    write_scores(tmp_path / "a", seed=0)
    write_scores(tmp_path / "b", seed=1, shuffle=True)
    ensemble(scores=[tmp_path / "a", tmp_path / "b"], output=tmp_path / "both")
    keys = ["split", "steps", "session_id"]
    a, b, both = (pq.read_table(tmp_path / name).to_pandas().set_index(keys) for name in ("a", "b", "both"))
    assert len(both) == len(a)
    expected = expit((logit(a.score) + logit(b.score.reindex(a.index))) / 2).reindex(both.index)
    np.testing.assert_allclose(both.score, expected, atol=1e-12)
    write_scores(tmp_path / "c", sessions=2002)
    with pytest.raises(UserError, match="score different sessions"):
        ensemble(scores=[tmp_path / "a", tmp_path / "c"], output=tmp_path / "d")
