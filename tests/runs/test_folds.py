"""A small run by folds: each session is tested once, and a change reruns the jobs that it can affect."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from workflow_runs import snakemake

from rabbithole.artifacts.checks import LeakChecks
from rabbithole.artifacts.evaluation import Comparison, Metrics
from rabbithole.artifacts.serving import ModelManifest
from rabbithole.cli import app
from rabbithole.workflow.kept_scores import read_labels_and_scores
from rabbithole.workflow.run_history import read_history

pytestmark = pytest.mark.workflow

FOLDS, SEEDS = 3, (0, 1)
MODELS = ("gradient_boosting", "logistic_regression")


@pytest.fixture
def run(finished_by_folds: Path) -> Path:
    """Return the folder of a finished run of `FOLDS` folds, `SEEDS` and `MODELS`."""
    return finished_by_folds


def ended(path: Path, split: str = "test") -> Any:
    """Return the scores of a split's ended sessions, by session."""
    filters = (pc.field("split") == split) & (pc.field("steps") == 0)
    return pq.read_table(path, filters=filters).sort_by("session_id").to_pandas()


def test_every_session_is_tested_once_with_the_score_of_its_fold(run: Path) -> None:
    shop = run / "results/shop"
    sessions = pq.read_table(shop / "fold-0/sessions").to_pandas()
    closed = sessions[~sessions.open].sort_values("session_id")
    for model in MODELS:
        for seed in SEEDS:
            joined = ended(shop / model / f"seed-{seed}/scores.parquet")
            assert joined.session_id.tolist() == closed.session_id.tolist()
            assert joined.buyer.tolist() == closed.buyer.astype(int).tolist()
            assert (joined.groupby("visitor").fold.nunique() == 1).all()
            for fold in range(FOLDS):
                own = ended(shop / f"fold-{fold}/{model}/seed-{seed}/scores.parquet")
                part = joined[joined.fold == fold]
                assert part.score.tolist() == own.score.tolist()
                # Its early stopping and calibration saw none of the sessions that it is tested on.
                valid = ended(shop / f"fold-{fold}/{model}/seed-{seed}/scores.parquet", "valid")
                assert not set(valid.session_id) & set(own.session_id)
    comparison = Comparison.read(shop / "comparison.json")
    assert comparison.sessions == len(closed)
    assert len(comparison.pairs) == 21, "four trainings, two ensembles and the oracle, in pairs"


def test_every_fold_is_checked_for_leaks_and_its_model_sees_its_own_train(run: Path) -> None:
    shop = run / "results/shop"
    for fold in range(FOLDS):
        checks = LeakChecks.read(shop / f"fold-{fold}/checks.json").checks
        assert all(check.holds for check in checks)
        assert {"No visitor is in two splits", "The vocabularies were fitted on train alone"} <= {
            check.name for check in checks
        }
    encoders = {(shop / f"fold-{fold}/windows/encoder.json").read_text() for fold in range(FOLDS)}
    assert len(encoders) == FOLDS


def test_the_report_has_the_figures_of_all_folds(run: Path) -> None:
    page = (run / "results/report/index.html").read_text("utf-8")
    metrics = Metrics.read(run / "results/shop/gradient_boosting/seed-0/metrics.json")
    assert metrics.folds and len(metrics.folds.auc) == FOLDS
    assert f"in {FOLDS} folds by visitor" in page
    assert f"{metrics.sessions:,} test sessions" in page
    assert '<th scope="row">fold 2</th>' in page


def test_the_packaged_model_is_one_fold_s_and_gives_a_log_the_scores_of_its_test(
    run: Path, tmp_path: Path
) -> None:
    shop, output = run / "results/shop", tmp_path / "scores.parquet"
    command = ["predict", str(shop / "model"), str(shop / "raw"), "-o", str(output)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    manifest = ModelManifest.read(shop / "model/manifest.json")
    name = f"{manifest.model}/seed-{manifest.seed}"
    test = ended(shop / "fold-0" / name / "scores.parquet")
    rows = pq.read_table(output)
    scores = dict(zip(rows["session_id"].to_pylist(), rows["probability"].to_pylist(), strict=True))
    assert [scores[name] for name in test.session_id] == test.score.tolist()
    assert manifest.test.sessions == len(test)
    best = max(manifest.candidates, key=lambda candidate: candidate.valid_auc or 0)
    pooled = Metrics.read(shop / name / "metrics.json").valid.auc
    assert pooled and best.valid_auc == pooled.value
    assert "this model is that of fold 0" in (shop / "model/CARD.md").read_text()
    command = ["package", str(shop), "-o", str(tmp_path / "own"), "--model", "logistic_regression"]
    done = CliRunner().invoke(app, [*command, "--seed", "1"])
    assert done.exit_code == 0, done.output


def test_the_history_of_runs_keeps_visitors_for_paired_tests(run: Path) -> None:
    figures = read_history(run / "results").runs[1].figures
    first, second = (each for each in figures if each.run in ("gradient_boosting seed 0", "oracle"))
    kept = read_labels_and_scores(run / "results", first, second)
    assert kept is not None and kept[3] is not None
    joined = ended(run / "results/shop/gradient_boosting/seed-0/scores.parquet")
    assert kept[3].tolist() == joined.visitor.tolist() and len(kept[0]) == len(joined)


def jobs(run: Path, project: Path, folder: Path, old: str = "", new: str = "") -> list[str]:
    """Return the messages of the jobs that would run after a change of the settings' text."""
    before = (project / "tests/runs/folds.yaml").read_text()
    config = folder / "changed.yaml"
    config.write_text(before.replace(old, new) if old else before)
    assert not old or config.read_text() != before
    done = snakemake(run, "--dry-run", config=config, root=project, tiny=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("Job ")]


def test_a_change_reruns_what_depends_on_it(run: Path, project: Path, tmp_path: Path) -> None:
    assert jobs(run, project, tmp_path) == []
    more = jobs(run, project, tmp_path, "count: 3", "count: 4")
    assert "Building the sessions of shop/fold-0" in more and "Building the sessions of shop/fold-3" in more
    assert not [job for job in more if "raw log" in job]
    one = jobs(run, project, tmp_path, "iterations: 5", "iterations: 6")
    trained = {job for job in one if job.startswith("Training")}
    assert trained == {
        f"Training gradient_boosting on shop/fold-{fold}, seed {seed}"
        for fold in range(FOLDS)
        for seed in SEEDS
    }
    assert not [job for job in one if "logistic" in job and "Packaging" not in job]
    single = jobs(run, project, tmp_path, "by: folds, count: 3", "by: hash")
    assert "Training gradient_boosting on shop, seed 0" in single
    assert not [job for job in single if "fold" in job or "raw log" in job]
