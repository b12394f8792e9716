"""Scores of all folds together: joined files, errors by visitor, and thresholds of each fold's own valid."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import statsmodels.api
from factories import session, write_scores, write_scores_table, write_sessions
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from rabbithole.artifacts.evaluation import Comparison, Metrics
from rabbithole.errors import UserError
from rabbithole.evaluation.calibration import calibration_regression, reliability
from rabbithole.evaluation.campaign import campaign, gain_curve, lift_table, outcome
from rabbithole.evaluation.compare_models import compare_models
from rabbithole.evaluation.delong import auc_with_interval, covariance, paired_test, placements
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.join_folds import join_folds
from rabbithole.evaluation.scores import Scores, read_scores
from rabbithole.specs.evaluation import EvaluateSpec

FOLDS, SESSIONS, PER_VISITOR = 3, 600, 4
COSTS = EvaluateSpec(contact_cost=1.0, sale_worth=20.0)


def visitor_of(session: str) -> int:
    """Return the visitor of a session such as s00012; every visitor has as many."""
    return int(session[1:]) // PER_VISITOR


def write_folds(folder: Path, *, noise: float = 1.0) -> tuple[list[Path], Path]:
    """Write the scores of each fold and the sessions of one; return their paths."""
    folder.mkdir(exist_ok=True)
    write_scores(folder / "all.parquet", noise=noise, sessions=SESSIONS)
    table = pq.read_table(folder / "all.parquet")
    fold = pa.array([visitor_of(name) % FOLDS for name in table["session_id"].to_pylist()])
    valid = pc.equal(table["split"], "valid")
    paths = []
    for number in range(FOLDS):
        in_test = pc.and_(pc.invert(valid), pc.equal(fold, number))
        in_valid = pc.and_(valid, pc.equal(fold, (number + 1) % FOLDS))
        paths.append(folder / f"{number}.parquet")
        write_scores_table(table.filter(pc.or_(in_test, in_valid)), paths[-1])
    # The first visitor has no name, as where a log names some visitors only.
    rows = [
        session(name, "test", ["a"], visitor=str(visitor_of(name)) if visitor_of(name) else None)
        for name in dict.fromkeys(table["session_id"].to_pylist())
    ]
    return paths, write_sessions(folder / "made", rows)


def test_joined_scores_are_those_of_the_folds_and_test_each_session_once(tmp_path: Path) -> None:
    paths, sessions = write_folds(tmp_path)
    join_folds(scores=paths, sessions=sessions, output=tmp_path / "joined.parquet")
    joined = pq.read_table(tmp_path / "joined.parquet")
    keys = ["split", "steps", "session_id"]
    for number, path in enumerate(paths):
        own = joined.filter(pc.equal(joined["fold"], number)).drop_columns(["fold", "visitor"])
        expected = pq.read_table(path).sort_by([(key, "ascending") for key in keys])
        assert own.equals(expected)
    ended = joined.filter(pc.and_(pc.equal(joined["split"], "test"), pc.equal(joined["steps"], 0)))
    assert ended["session_id"].to_pylist() == [f"s{number:05d}" for number in range(SESSIONS)]
    visitors = ended["visitor"].to_numpy()
    named = visitors[PER_VISITOR:].reshape(-1, PER_VISITOR)
    assert (named == named[:, :1]).all() and len(np.unique(visitors)) == len(named) + PER_VISITOR


def test_folds_that_test_the_same_session_are_refused(tmp_path: Path) -> None:
    paths, sessions = write_folds(tmp_path)
    with pytest.raises(UserError, match=r"share .* sessions, so they are of different splits"):
        join_folds(scores=[*paths, paths[0]], sessions=sessions, output=tmp_path / "joined.parquet")


def test_metrics_of_folds_rank_all_sessions_within_their_folds(tmp_path: Path) -> None:
    """A fold whose model gives lower scores than the others changes no ranking, but the log loss."""
    paths, sessions = write_folds(tmp_path)
    metrics = {}
    for name in ("equal", "lower"):
        join_folds(scores=paths, sessions=sessions, output=tmp_path / f"{name}.parquet")
        evaluate(COSTS, scores=tmp_path / f"{name}.parquet", output=tmp_path / f"{name}.json")
        metrics[name] = Metrics.read(tmp_path / f"{name}.json")
        table = pq.read_table(paths[0])
        lower = pa.array(table["score"].to_numpy() / 10)
        write_scores_table(table.set_column(4, "score", lower), paths[0])
    ranked = {"auc", "average_precision", "lift", "gain", "roc", "precision_recall", "valid", "folds"}
    equal, other = (each.model_dump(include=ranked | {"log_loss"}) for each in metrics.values())
    assert equal.pop("log_loss") < other.pop("log_loss") and equal == other
    evaluate(COSTS, scores=tmp_path / "all.parquet", output=tmp_path / "single.json")
    single, folds = Metrics.read(tmp_path / "single.json"), metrics["equal"]
    assert folds.auc and single.auc and folds.folds and folds.folds.mean and single.folds is None
    assert folds.sessions == SESSIONS and folds.auc.error != single.auc.error
    assert folds.auc.value == pytest.approx(single.auc.value, abs=0.01)
    assert folds.auc.value == pytest.approx(folds.folds.mean, abs=0.02)
    aucs = []
    for path in paths:
        test = pq.read_table(path, filters=(pc.field("split") == "test") & (pc.field("steps") == 0))
        aucs.append(roc_auc_score(test["buyer"], test["score"]))
    assert folds.folds.auc == pytest.approx(aucs) and folds.folds.mean == pytest.approx(np.mean(aucs))


def visits(seed: int, visitors: int = 150) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64]]:
    """Return labels, scores and visitors of sessions: labels and scores depend on the visitor."""
    rng = np.random.default_rng(seed)
    visitor = np.repeat(np.arange(visitors), rng.integers(1, 8, visitors))
    leaning, taste = rng.normal(size=(2, visitors))
    labels = rng.random(len(visitor)) < expit(1.5 * leaning[visitor] - 1)
    scores = leaning[visitor] + 2 * taste[visitor] + 0.3 * rng.normal(size=len(visitor))
    return labels.astype(np.int8), scores, visitor


def test_the_error_by_visitor_is_that_of_resampling_visitors() -> None:
    labels, scores, visitor = visits(1)
    rows = [np.flatnonzero(visitor == each) for each in np.unique(visitor)]
    rng = np.random.default_rng(0)
    draws = [np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))]) for _ in range(600)]
    expected = np.std([roc_auc_score(labels[draw], scores[draw]) for draw in draws])
    error = auc_with_interval(labels, scores, visitor).error
    assert error == pytest.approx(expected, rel=0.12)
    # As if sessions were independent, it would be far too small.
    assert auc_with_interval(labels, scores).error < 0.8 * error
    values = COSTS.sale_worth * labels - COSTS.contact_cost
    result = outcome(labels, np.ones(len(labels), bool), COSTS, visitor.astype(np.uint64))
    spread = np.std([1000 * values[draw].mean() for draw in draws])
    assert (result.high - result.low) / (2 * 1.96) == pytest.approx(spread, rel=0.12)


def test_with_one_session_each_the_error_is_delong_s() -> None:
    labels, scores, _ = visits(2)
    alone, together = placements(labels, scores, np.arange(len(labels))), placements(labels, scores)
    other = placements(labels, scores**3, np.arange(len(labels)))
    assert covariance(alone, alone) == pytest.approx(covariance(together, together), rel=1e-12)
    assert paired_test(alone, other).error == pytest.approx(0.0, abs=1e-9)
    one = placements(labels, scores, np.zeros(len(labels), np.int64))
    assert covariance(one, one) == covariance(together, together)


def test_repeated_sessions_of_a_visitor_make_no_interval_narrower() -> None:
    """Three times the same sessions tell no more than once; as independent ones they would seem to."""
    labels, scores, visitor = visits(3, visitors=1000)
    probability = expit(scores - 2.0)

    def widths(times: int, *, by_visitor: bool) -> dict[str, NDArray[Any]]:
        who = np.tile(visitor, times) if by_visitor else None
        sample = (np.tile(labels, times), np.tile(probability, times), who)
        fit, gain = calibration_regression(*sample), gain_curve(*sample)
        assert fit.slope is not None and fit.intercept is not None
        return {
            "lift": np.array([row.high - row.low for row in lift_table(*sample)]),
            "reliability": np.array([row.high - row.low for row in reliability(*sample)]),
            "calibration": np.array([part.high - part.low for part in (fit.slope, fit.intercept)]),
            "gain": (np.array(gain.high) - gain.low)[5:-5],
        }

    once, alone = widths(1, by_visitor=True), widths(1, by_visitor=False)
    repeated, independent = widths(3, by_visitor=True), widths(3, by_visitor=False)
    for name in once:
        assert (once[name] > 1.1 * alone[name]).mean() > 0.7, name
        np.testing.assert_allclose(repeated[name], once[name], rtol=0.05, err_msg=name)
        np.testing.assert_allclose(independent[name], alone[name] / 3**0.5, rtol=0.05, err_msg=name)


def test_the_calibration_s_errors_by_visitor_equal_an_independent_solver_s() -> None:
    labels, scores, visitor = visits(4)
    fit = calibration_regression(labels, expit(scores), visitor)
    model = statsmodels.api.Logit(labels, statsmodels.api.add_constant(scores))
    other = model.fit(disp=0, cov_type="cluster", cov_kwds={"groups": visitor, "use_correction": False})
    groups = len(np.unique(visitor))
    errors = other.bse * np.sqrt(groups / (groups - 1)) * 1.959963985
    for interval, value, error in zip((fit.intercept, fit.slope), other.params, errors, strict=True):
        assert interval is not None
        assert interval.value == pytest.approx(value, rel=1e-5)
        assert interval.high - interval.value == pytest.approx(error, rel=1e-4)


def test_models_are_compared_on_all_sessions_with_errors_by_visitor(tmp_path: Path) -> None:
    joined = {}
    for name, noise in (("gru seed 0", 1.0), ("blend seed 0", 0.3)):
        paths, sessions = write_folds(tmp_path / name, noise=noise)
        joined[name] = tmp_path / f"{name}.parquet"
        join_folds(scores=paths, sessions=sessions, output=joined[name])
    compare_models(scores=joined, output=tmp_path / "comparison.json")
    comparison = Comparison.read(tmp_path / "comparison.json")
    (pair,) = comparison.pairs
    assert comparison.sessions == SESSIONS and pair.difference < 0
    sides = [
        placements(run.buyer, run.ranks, run.visitor)
        for run in (read_scores(path, "test").after(0) for path in joined.values())
    ]
    assert pair.error == pytest.approx(paired_test(*sides).error)


def test_each_fold_contacts_above_the_best_threshold_of_its_own_valid() -> None:
    """With one threshold for all, a session's own label could help to choose it."""

    def scores(buyers: list[int], values: list[float], folds: list[int]) -> Scores:
        return Scores(
            np.array([f"s{row}" for row in range(len(buyers))]),
            np.zeros(len(buyers), np.int32),
            np.array(buyers, np.int8),
            np.array(values),
            np.arange(len(buyers), dtype=np.uint64),
            np.array(folds, np.int8),
        )

    valid = scores([1, 0, 0, 0, 1, 0], [0.9, 0.2, 0.3, 0.2, 0.5, 0.4], [0, 0, 1, 1, 2, 2])
    test = scores([1, 1, 0, 1, 0, 0], [0.95, 0.5, 0.9, 0.1, 0.6, 0.4], [0, 0, 1, 1, 2, 2])
    chosen = campaign(test, valid, COSTS).chosen
    # Fold 0 contacts from 0.9, fold 1 nobody, fold 2 from 0.5.
    assert chosen and (chosen.contacted, chosen.buyers, chosen.threshold) == (2, 1, 0.9)
