"""Comparisons of models on the same sessions, and ensembles of seeds."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import write_scores, write_scores_table
from scipy.special import expit, logit

from rabbithole.artifacts.evaluation import Comparison
from rabbithole.errors import UserError
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.ensemble import ensemble


def test_a_comparison_pairs_sessions_by_their_id(tmp_path: Path) -> None:
    write_scores(tmp_path / "good", noise=0.1)
    write_scores(tmp_path / "bad", noise=3.0, shuffle=True)
    write_scores(tmp_path / "twin", noise=0.1, shuffle=True)
    scores = {"oracle": tmp_path / "good", "gru seed 0": tmp_path / "bad", "gru seed 1": tmp_path / "twin"}
    compare_models(scores=scores, output=tmp_path / "comparison.json")
    comparison = Comparison.read(tmp_path / "comparison.json")
    pairs = {(pair.first, pair.second): pair for pair in comparison.pairs}
    assert len(pairs) == 3
    assert pairs["oracle", "gru seed 0"].difference > 0
    assert pairs["oracle", "gru seed 0"].p < 1e-6
    assert pairs["oracle", "gru seed 1"].p == 1.0


def test_a_comparison_without_buyers_gives_a_reason(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_scores(tmp_path / name, buyers=False)
    compare_models(scores={"a": tmp_path / "a", "b": tmp_path / "b"}, output=tmp_path / "c.json")
    comparison = Comparison.read(tmp_path / "c.json")
    assert comparison.pairs == []
    assert comparison.reason == "0 buyers in 2,003 sessions; the test needs 2 of each class"


def test_a_comparison_of_different_sessions_or_labels_is_refused(tmp_path: Path) -> None:
    write_scores(tmp_path / "a")
    write_scores(tmp_path / "b", sessions=2002)
    with pytest.raises(UserError, match=r"different test sessions \(1 in only one, such as s02002\)"):
        compare_models(scores={"a": tmp_path / "a", "b": tmp_path / "b"}, output=tmp_path / "c.json")
    table = pq.read_table(tmp_path / "a")
    flipped = pa.array(1 - table["buyer"].to_numpy(), pa.int8())
    write_scores_table(table.set_column(3, "buyer", flipped), tmp_path / "d")
    with pytest.raises(UserError, match="different labels for session s00000"):
        compare_models(scores={"a": tmp_path / "a", "d": tmp_path / "d"}, output=tmp_path / "c.json")


def test_an_ensemble_is_the_mean_of_log_odds(tmp_path: Path) -> None:
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
