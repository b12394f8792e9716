"""The metrics of one set of scores, from scores.parquet to metrics.json."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import write_scores, write_scores_table
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from rabbithole.artifacts.evaluation import Metrics
from rabbithole.errors import UserError
from rabbithole.evaluation.evaluate import evaluate, precision_recall_curve, ranking, roc_curve, thin
from rabbithole.specs.evaluation import EvaluateSpec

SPEC = EvaluateSpec(contact_cost=1.0, sale_worth=20.0)


def metrics_of(scores: Path) -> Metrics:
    """Evaluate a file of scores and read the metrics."""
    output = scores.with_suffix(".json")
    evaluate(SPEC, scores=scores, output=output)
    return Metrics.read(output)


def test_metrics_agree_with_scikit_learn(tmp_path: Path) -> None:
    frame = write_scores(tmp_path / "scores.parquet")
    metrics = metrics_of(tmp_path / "scores.parquet")
    ended = frame[(frame.split == "test") & (frame.steps == 0)]
    assert metrics.sessions == 2003
    assert metrics.buyers == ended.buyer.sum()
    assert metrics.auc is not None and metrics.valid.auc is not None
    assert metrics.auc.value == pytest.approx(roc_auc_score(ended.buyer, ended.score), abs=1e-8)
    assert metrics.auc.low < metrics.auc.value < metrics.auc.high
    expected = average_precision_score(ended.buyer, ended.score)
    assert metrics.average_precision == pytest.approx(expected, abs=1e-8)
    assert metrics.log_loss < metrics.log_loss_constant
    assert metrics.brier < metrics.brier_constant
    assert metrics.valid.auc.value > 0.5
    assert metrics.campaign.expected.value > metrics.campaign.everybody.value
    assert [row.top for row in metrics.lift] == [0.01, 0.05, 0.1]
    # Scores with noise are too extreme.
    assert metrics.calibration.slope is not None
    assert metrics.calibration.slope.high < 1.0


def test_running_sessions_and_lengths_have_metrics_of_their_own(tmp_path: Path) -> None:
    frame = write_scores(tmp_path / "scores.parquet")
    metrics = metrics_of(tmp_path / "scores.parquet")
    ended = frame[(frame.split == "test") & (frame.steps == 0)]
    first, fifth = metrics.by_steps
    assert (first.steps, first.sessions, first.reason) == (1, 2003, None)
    assert fifth.auc is None
    assert fifth.reason is not None and "no buyers in 40" in fifth.reason
    # All sessions have a score after one event, forty of them after five.
    running = frame[(frame.split == "test") & (frame.steps == 1)]
    assert first.mean_score == pytest.approx(running.score.mean(), abs=1e-8)
    assert first.slope is not None and first.slope.high < 1.0
    short, long = metrics.by_length
    assert (short.first, short.last, short.sessions) == (1, 4, 1963)
    assert (long.first, long.last, long.sessions) == (5, None, 40)
    rest = ended[~ended.session_id.isin(frame[frame.steps == 5].session_id)]
    assert short.auc is not None
    assert short.auc.value == pytest.approx(roc_auc_score(rest.buyer, rest.score), abs=1e-8)


def test_the_order_of_scores_does_not_change_a_byte(tmp_path: Path) -> None:
    for name, shuffle in [("one", False), ("two", True)]:
        write_scores(tmp_path / name, shuffle=shuffle)
        evaluate(SPEC, scores=tmp_path / name, output=tmp_path / f"{name}.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_missing_class_gives_a_reason_in_the_place_of_metrics(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.parquet", buyers=False)
    metrics = metrics_of(tmp_path / "scores.parquet")
    assert metrics.auc is metrics.average_precision is metrics.roc is metrics.precision_recall is None
    assert metrics.reason is not None and "no buyers" in metrics.reason
    assert metrics.calibration.slope is None
    assert metrics.lift == []


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "no session was scored"),
        ([0, 0, 0], "no buyers in 3 sessions; at least 2 are needed"),
        ([0], "no buyers in 1 session; at least 2 are needed"),
        ([1, 0, 0], "1 buyer in 3 sessions; at least 2 are needed"),
        ([1, 1, 0], "1 non-buyer in 3 sessions; at least 2 are needed"),
    ],
)
def test_the_reason_counts_the_smaller_class(labels: list[int], reason: str) -> None:
    result = ranking(np.array(labels, np.int8), np.linspace(0, 1, len(labels)))
    assert (result.auc, result.reason) == (None, reason)


def test_scores_without_test_sessions_or_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.parquet")
    table = pq.read_table(tmp_path / "scores.parquet")
    write_scores_table(table.slice(table.num_rows - 2003), tmp_path / "valid_only")
    with pytest.raises(UserError, match="no ended session of the test split"):
        evaluate(SPEC, scores=tmp_path / "valid_only", output=tmp_path / "metrics.json")
    broken = table.set_column(4, "score", pa.array([float("nan")] * table.num_rows))
    write_scores_table(broken, tmp_path / "nan")
    with pytest.raises(UserError, match=r"session s00000 is nan, not a probability"):
        evaluate(SPEC, scores=tmp_path / "nan", output=tmp_path / "metrics.json")
    write_scores_table(table.drop_columns(["steps"]), tmp_path / "old")
    with pytest.raises(UserError, match="no column 'steps'"):
        evaluate(SPEC, scores=tmp_path / "old", output=tmp_path / "metrics.json")
    assert not (tmp_path / "metrics.json").exists()


def test_a_thinned_roc_curve_keeps_its_ends_and_its_area() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(20_000) < 0.01).astype(int)
    scores = rng.normal(size=20_000) + labels
    curve = roc_curve(labels, scores)
    assert curve is not None
    x, y = curve.false_positive, curve.true_positive
    assert len(x) <= 400
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert auc(x, y) == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)
    assert thin(np.linspace(0, 1, 5000), 7)[[0, -1]].tolist() == [0, 4999]


def test_precision_falls_to_the_share_of_buyers_at_full_recall() -> None:
    labels = np.array([0, 1, 0, 1])
    curve = precision_recall_curve(labels, np.array([0.1, 0.2, 0.3, 0.4]))
    assert curve is not None
    assert (curve.recall[0], curve.precision[0]) == (0.0, 1.0)
    assert (curve.recall[-1], curve.precision[-1]) == (1.0, 0.5)
