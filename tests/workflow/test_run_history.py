"""The history of runs: a line per finished run, and two runs compared in pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import write_scores
from typer.testing import CliRunner

from rabbithole.artifacts.evaluation import MeanInterval, NextEventMetrics, QuestionMetrics, ValidCrossEntropy
from rabbithole.cli import app
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError
from rabbithole.evaluation.delong import paired_test, placements
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.workflow.places import find_results
from rabbithole.workflow.project import Project
from rabbithole.workflow.raw_files import RawFiles
from rabbithole.workflow.retraining import Trained, replaced_report_note, retraining_note
from rabbithole.workflow.run_comparison import compare_runs
from rabbithole.workflow.run_history import KEPT_RUNS, change_text, differences, read_history, record_run

NO_FILES = RawFiles({}, "")
SHOP: dict[str, Any] = {"format": "yoochoose"}


def shop_project(results: Path, *, rate: float = 0.003, **changes: Any) -> Project:
    """Return a project of one simulated shop and one model."""
    config = {"datasets": {"shop": SHOP}, "models": {"gru": {"learning_rate": rate}}, "alice": None} | changes
    return Project(parse_config(config), str(results), {}, {}, {}, NO_FILES)


def finish(project: Project, *, seed: int = 0, sessions: int = 800, run: str = "gru/seed-0") -> None:
    """Write scores and metrics as the steps do, and record the run."""
    folder = Path(project.path("shop", run))
    write_scores(folder / "scores.parquet", seed=seed, sessions=sessions, noise=1.0 + seed)
    costs = EvaluateSpec(contact_cost=1.0, sale_worth=50.0)
    evaluate(costs, scores=folder / "scores.parquet", output=folder / "metrics.json")
    record(project, str(folder / "metrics.json"))


def record(project: Project, *outputs: str) -> None:
    """Record a run whose jobs made these files."""
    history = read_history(Path(project.results))
    record_run(project, history, targets=["all"], outputs=outputs, seconds=61)


def shown(*arguments: str) -> str:
    """Return what `rabbithole runs` prints in a terminal of 80 columns."""
    done = CliRunner().invoke(app, ["runs", *arguments], env={"COLUMNS": "80", "TZ": "UTC"})
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout
    return done.output


def test_a_line_has_the_figures_and_what_differs_from_the_run_before(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    finish(shop_project(tmp_path, rate=0.01), seed=1)
    first, second = read_history(tmp_path).runs.values()
    assert first.changes == [] and first.digest != second.digest
    assert [(each.key, each.old, each.new) for each in second.changes] == [
        ("models.gru.learning_rate", "0.003", "0.01")
    ]
    metrics = json.loads((tmp_path / "shop/gru/seed-0/metrics.json").read_text())
    (figures,) = second.figures
    assert figures.auc is not None and figures.auc.model_dump() == metrics["auc"]
    assert (figures.log_loss, figures.average_precision) == (
        metrics["log_loss"],
        metrics["average_precision"],
    )
    assert first.figures[0].auc != figures.auc


def test_only_figures_of_the_run_s_own_jobs_are_recorded(tmp_path: Path) -> None:
    """After a run of one target, other files in results/ may still be those of other settings."""
    finish(shop_project(tmp_path))
    record(shop_project(tmp_path, rate=0.01), str(tmp_path / "shop/events"))
    assert read_history(tmp_path).runs[2].figures == []


def test_next_events_and_several_seeds_are_recorded(tmp_path: Path) -> None:
    project = shop_project(
        tmp_path, training_seeds=[0, 1], datasets={"shop": SHOP | {"target": "next_event"}}
    )
    interval = MeanInterval(value=1.5, low=1.4, high=1.6)
    question = QuestionMetrics(
        predictions=9, cross_entropy=interval, top_1=0.5, macro_f1=0.5, classes=[], by_steps=[]
    )
    path = tmp_path / "shop/gru/ensemble/next_event.json"
    NextEventMetrics(
        event=question, category=None, reason="none", valid=ValidCrossEntropy(event=1.4, category=None)
    ).write(path)
    record(project, str(path))
    (figures,) = read_history(tmp_path).runs[1].next_events
    assert (figures.run, figures.event, figures.category) == ("gru ensemble", interval, None)
    assert "shop, next event: gru ensemble 1.500 nats" in shown("--results", str(tmp_path))


def test_two_runs_on_the_same_sessions_are_compared_in_pairs(tmp_path: Path) -> None:
    scores = []
    for rate, seed in ((0.003, 0), (0.01, 1)):
        finish(shop_project(tmp_path, rate=rate), seed=seed)
        table = write_scores(tmp_path / "copy.parquet", seed=seed, sessions=800, noise=1.0 + seed)
        scores.append(table[(table["split"] == "test") & (table["steps"] == 0)])
    history = read_history(tmp_path)
    (section,) = compare_runs(tmp_path, history.run(1), history.run(2)).sections
    labels = scores[0]["buyer"].to_numpy()
    old, new = (placements(labels, each["score"].to_numpy()) for each in scores)
    row = section.rows[0]
    assert row.paired is not None and (row.old, row.new) == pytest.approx((old.auc, new.auc), rel=1e-8)
    assert row.paired.p == pytest.approx(paired_test(new, old).p)
    assert row.paired.difference == pytest.approx(new.auc - old.auc)
    output = shown("1", "2", "--results", str(tmp_path))
    assert "models.gru.learning_rate" in output and "the same test sessions" in output
    assert f"{row.paired.difference:+.4f} [{row.paired.low:+.4f}, {row.paired.high:+.4f}]" in output
    kept = {path: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    for path, content in kept.items():
        path.write_bytes(next(other for other in kept.values() if other != content))
        with pytest.raises(UserError, match=rf"{path} is damaged\. Delete it"):
            compare_runs(tmp_path, history.run(1), history.run(2))
        path.write_bytes(content)


def test_other_test_sessions_and_forgotten_scores_are_not_compared_in_pairs(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    finish(shop_project(tmp_path), sessions=700)
    assert "other test sessions" in " ".join(shown("1", "2", "--results", str(tmp_path)).split())
    for seed in range(1, KEPT_RUNS + 1):
        finish(shop_project(tmp_path), seed=seed)
    # The sessions once, and the scores of the last runs.
    assert len(list((tmp_path / "runs").iterdir())) == 1 + KEPT_RUNS
    output = " ".join(shown("1", "5", "--results", str(tmp_path)).split())
    assert "test scores are kept for the last 20 runs only" in output
    assert len(read_history(tmp_path).runs) == 2 + KEPT_RUNS


def test_other_test_sessions_are_said_where_a_run_has_no_auc(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    finish(shop_project(tmp_path), sessions=700)
    first, second = read_history(tmp_path).runs.values()
    figures = [second.figures[0].model_copy(update={"auc": None})]
    (section,) = compare_runs(tmp_path, first, second.model_copy(update={"figures": figures})).sections
    assert section.note.startswith("other test sessions")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["runs", "--results", str(tmp_path)])
    assert isinstance(done.exception, UserError) and "no finished run" in str(done.exception)


def test_scores_that_stay_the_same_are_kept_once(tmp_path: Path) -> None:
    for _ in range(2):
        finish(shop_project(tmp_path))
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert "same scores" in shown("1", "2", "--results", str(tmp_path))


@pytest.mark.parametrize("damage", [b'{"kind": "finished run"', b"\xff\n", b'{"kind": "note"}\n'])
def test_a_damaged_line_is_refused_by_its_number_and_blocks_nothing(tmp_path: Path, damage: bytes) -> None:
    finish(shop_project(tmp_path))
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    finish(shop_project(tmp_path), seed=1)
    history = read_history(tmp_path)
    assert list(history.runs) == [1, 3]
    (message,) = history.refused
    assert message.startswith(f"{path}, line 2, is ")
    assert f"Warning: {message}" in shown("1", "3", "--results", str(tmp_path))


def test_an_unknown_run_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    with pytest.raises(UserError, match=r"There is no run 4\. The history has these runs: 1\."):
        read_history(tmp_path).run(4)


def test_the_list_fits_eighty_columns_and_names_the_best_model_on_valid(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    rates = {name: {"learning_rate": 0.01} for name in ("gru", "lstm", "dilated_conv")}
    finish(shop_project(tmp_path, models=rates), seed=1)
    output = shown("--results", str(tmp_path))
    assert "1 min 01 s" in output and "shop: gru 0." in output
    assert "models.dilated_conv none -> {...}" in " ".join(output.split())


def test_a_section_that_is_new_or_left_out_is_one_difference() -> None:
    old = {"models.gru.width": "8", "alice": "null", "a.x": "1", "b": "null"}
    new = {"models.gru.width": "8", "models.lstm.width": "8", "models.lstm.dropout": "0", "b": "null"}
    new |= {"alice.source": '"book.txt"', "alice.length": "60", "a.y": "1"}
    text = "a.x 1 -> none, a.y none -> 1, alice none -> {...}, models.lstm none -> {...}"
    assert change_text(differences(old, new), 4) == text
    assert change_text(differences(new, old), 1) == "a.x none -> 1 and 3 more"


def test_a_note_names_the_settings_that_make_a_model_train_again(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    changed = shop_project(tmp_path, rate=0.01, report={"title": "Who?"})
    note = retraining_note(changed, read_history(tmp_path), [Trained("shop", "gru")], ["a reason"])
    assert note.startswith("Trains again, because settings differ from the run of 20")
    assert note.endswith(
        "(models.gru.learning_rate 0.003 -> 0.01): shop gru. "
        f"The former figures stay in {tmp_path}/runs.jsonl."
    )
    assert note.count("\n") == 0 and "title" not in note


def test_a_note_without_a_changed_setting_gives_snakemake_s_reason(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    again = [Trained("shop", "gru"), Trained("alice", "deck"), Trained("shop", "gru")]
    note = retraining_note(shop_project(tmp_path), read_history(tmp_path), again, ["x: 1 -> 2", "x: 1 -> 2"])
    assert note.startswith("Trains again, because x: 1 -> 2: alice deck; shop gru.")


def test_a_report_is_not_replaced_by_one_on_other_data_sets_without_a_word(tmp_path: Path) -> None:
    finish(shop_project(tmp_path))
    own, other = shop_project(tmp_path), shop_project(tmp_path, datasets={"other": SHOP})
    # Another run wrote no report.
    record_run(other, read_history(tmp_path), targets=["events"], outputs=[], seconds=1)
    (tmp_path / "report").mkdir(exist_ok=True)
    (tmp_path / "report/index.html").write_text("the report")
    assert replaced_report_note(own, read_history(tmp_path)) is None
    note = replaced_report_note(other, read_history(tmp_path)) or ""
    assert note.startswith(f"{tmp_path}/report/index.html is about shop now, and will be about other.")


def test_the_results_folder_is_found_from_below(tmp_path: Path) -> None:
    finish(shop_project(tmp_path / "results/demo"))
    assert find_results(tmp_path) == tmp_path / "results/demo"
    finish(shop_project(tmp_path / "results"))
    for below in (tmp_path, tmp_path / "results", tmp_path / "results/shop/gru"):
        assert find_results(below) == tmp_path / "results"
    with pytest.raises(UserError, match="no history of runs"):
        find_results(Path(tmp_path.anchor))


def test_kept_scores_are_small(tmp_path: Path) -> None:
    """Random scores do not compress: eight bytes each, and a few for the session once per data set."""
    finish(shop_project(tmp_path), sessions=20_000)
    sizes = sorted(path.stat().st_size for path in (tmp_path / "runs").iterdir())
    assert np.sum(sizes) < 20_000 * 16
