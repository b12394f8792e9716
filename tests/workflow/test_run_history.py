"""The history of runs: one line per run that differs, former figures kept, and a paired comparison."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rabbithole.cli import app
from rabbithole.config.settings import Settings
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.workflow.project import Project, RawFiles
from rabbithole.workflow.run_history import KEPT_RUNS, read_history, record_run, retraining_note
from rabbithole.workflow.why import explain

NO_FILES = RawFiles({}, "")


def settings(rate: float) -> Settings:
    """Return settings of one simulated shop and one model."""
    models = {"gru": {"learning_rate": rate}}
    return parse_config({"datasets": {"shop": {"format": "yoochoose"}}, "models": models, "alice": None})


def finish(results: Path, *, rate: float, noise: float, shift: int = 0) -> Project:
    """Write scores and metrics of a run, as training leaves them, and record it."""
    rng = np.random.default_rng(0)
    buyer = (rng.random(800) < 0.3).astype(np.int8)
    score = 1 / (1 + np.exp(-(buyer + noise * rng.normal(size=800))))
    folder = results / "shop/gru/seed-0"
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"s{number + shift}" for number in range(800)]
    rows = [
        pa.table(
            {"session_id": names, "split": [split] * 800, "steps": [0] * 800, "buyer": buyer, "score": score}
        )
        for split in ("valid", "test")
    ]
    pq.write_table(pa.concat_tables(rows), folder / "scores.parquet")
    costs = EvaluateSpec(contact_cost=1.0, sale_worth=50.0)
    evaluate(costs, scores=folder / "scores.parquet", output=folder / "metrics.json")
    project = Project(settings(rate), str(results), {"shop": NO_FILES}, {}, NO_FILES)
    record_run(project, seconds=61)
    return project


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a results folder."""
    return tmp_path / "results"


def test_a_run_that_changes_nothing_leaves_no_line(results: Path) -> None:
    for _ in range(2):
        finish(results, rate=0.003, noise=1.0)
    assert [run.number for run in read_history(results)] == [1]


def test_a_line_names_what_differs_from_the_run_before(results: Path) -> None:
    finish(results, rate=0.003, noise=1.0)
    finish(results, rate=0.01, noise=2.0)
    (change,) = read_history(results)[-1].changes
    assert (change.key, change.old, change.new) == ("models.gru.learning_rate", "0.003", "0.01")


def test_two_runs_on_the_same_sessions_are_compared_in_pairs(results: Path) -> None:
    finish(results, rate=0.003, noise=1.0)
    finish(results, rate=0.01, noise=2.0)
    finish(results, rate=0.01, noise=2.0, shift=5)
    run = CliRunner()
    listed = run.invoke(app, ["runs", "--results", str(results)], env={"COLUMNS": "80"})
    assert "1 min 01 s" in listed.output and "0.003 -> 0.01" in " ".join(listed.output.split())
    paired = run.invoke(app, ["runs", "1", "2", "--results", str(results)], env={"COLUMNS": "120"})
    assert "models.gru.learning_rate" in paired.output and ", p " in paired.output
    other = run.invoke(app, ["runs", "2", "3", "--results", str(results)], env={"COLUMNS": "120"})
    assert "The settings are the same." in other.output and "other test sessions" in other.output


def test_the_scores_of_old_runs_are_forgotten(results: Path) -> None:
    for number in range(KEPT_RUNS + 3):
        finish(results, rate=0.001 * (number + 1), noise=1.0 + number / 10)
    assert len(list((results / "runs").glob("*.parquet"))) == KEPT_RUNS
    assert len(read_history(results)) == KEPT_RUNS + 3


def test_a_damaged_line_is_refused_by_its_number(results: Path) -> None:
    finish(results, rate=0.003, noise=1.0)
    path = results / "runs.jsonl"
    path.write_text(path.read_text("utf-8") + "{\n", "utf-8")
    with pytest.raises(UserError, match=r"runs\.jsonl, line 2, is damaged"):
        read_history(results)


def test_a_note_says_what_is_trained_again_and_why(results: Path) -> None:
    finish(results, rate=0.003, noise=1.0)
    project = Project(settings(0.01), str(results), {"shop": NO_FILES}, {}, NO_FILES)
    note = retraining_note(project, ["gru on shop, seed 0"])
    assert note is not None and "models.gru.learning_rate 0.003 -> 0.01" in note and "gru on shop" in note
    assert retraining_note(project, []) is None


def test_why_groups_jobs_by_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results/shop/gru/seed-0").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    missing = "results/shop/gru/seed-1/checkpoint"
    lines = [f"Job {n}: Training {n}\nReason: Missing output files: {missing}" for n in range(5)]
    lines.append("Job 9: Writing the page\nReason: Input files updated by another job: x")
    text = list(explain("\n".join(lines)))
    assert text[0] == "seed 1 is new: 5 jobs"
    assert text[-2:] == ["These follow: 1 job", "    Writing the page"]
    assert not any("Training 4" in line for line in text)
    assert any("Training 4" in line for line in explain("\n".join(lines), list_jobs=True))
