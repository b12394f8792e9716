"""Complete runs of the workflow, and its messages about wrong settings and logs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from loaded_modules import missing_from_digests
from workflow_runs import ROOT, make_run_folder, snakemake

from rabbithole.workflow.run_history import read_history

RUNS = ["gru/seed-0", "dilated_conv/seed-0", "gradient_boosting/seed-0", "oracle"]


def test_a_run_writes_the_page_and_a_summary(finished: Path) -> None:
    results = finished / "results"
    page = (results / "report/index.html").read_text("utf-8")
    for words in ("yoochoose", "retailrocket", "GRU", "Dilated convolution", "Gradient boosting", "Oracle"):
        assert words in page
    assert not re.search(r"""(src|href)=["']https?:""", page)
    summary = (results / "report/summary.txt").read_text("utf-8")
    assert "results/report/index.html" in summary
    assert "AUC" in summary


@pytest.mark.parametrize("dataset", ["yoochoose", "retailrocket"])
def test_every_model_is_evaluated_on_the_same_test_sessions(finished: Path, dataset: str) -> None:
    folder = finished / "results" / dataset
    metrics = [json.loads((folder / run / "metrics.json").read_text()) for run in RUNS]
    windows = json.loads((folder / "windows.json").read_text())
    assert {row["sessions"] for row in metrics} == {windows["splits"]["test"]["rows"]}
    assert {row["buyers"] for row in metrics} == {windows["splits"]["test"]["buyers"]}
    scores = pq.read_table(folder / "gru/seed-0/scores.parquet")["score"].to_numpy()
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("model", ["gru", "dilated_conv", "gradient_boosting"])
def test_an_explained_session_has_the_scores_of_its_prefixes(finished: Path, model: str) -> None:
    folder = finished / "results/yoochoose" / model / "seed-0"
    explanation = json.loads((folder / "explanation.json").read_text())
    assert len(explanation["fields"]) == 9
    assert len(explanation["journeys"]) >= 4
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    score_of = {(row["session_id"], row["steps"]): row["score"] for row in scores if row["split"] == "test"}
    for journey in explanation["journeys"]:
        for steps in (1, 2, 3, 5):
            assert journey["probability"][steps - 1] == pytest.approx(
                score_of[journey["session_id"], steps], rel=1e-5
            )


def test_the_next_event_is_predicted_from_the_same_windows(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    """With the other target, a finished run trains again and evaluates all models on the same events.

    The cross-entropy of the averaged probabilities of two seeds is lower than the average of the seeds' own.
    """
    shutil.copytree(finished, tmp_path / "run", symlinks=True)
    config, results = tmp_path / "next.yaml", tmp_path / "run/results"
    datasets = {"yoochoose": {"target": "next_event"}, "retailrocket": None}
    changed = {"datasets": datasets, "models": {"dilated_conv": None}, "training_seeds": [0, 1]}
    config.write_text(yaml.safe_dump(changed))
    modified = (results / "yoochoose/windows.json").stat().st_mtime_ns
    done = snakemake(tmp_path / "run", config=config, root=project, list_imports=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    note = re.search(r"^Trains again, because settings differ .*$", done.stdout + done.stderr, re.MULTILINE)
    assert note is not None and note[0].endswith(
        '(datasets.yoochoose.target "buyer" -> "next_event", training_seeds [0] -> [0, 1]): yoochoose gru. '
        "The former figures stay in results/runs.jsonl."
    )
    last = read_history(results).runs[2]
    assert last.figures == [] and {figures.run for figures in last.next_events} >= {"gru ensemble", "markov"}
    assert (results / "yoochoose/windows.json").stat().st_mtime_ns == modified
    runs = ("gru/seed-0", "gru/seed-1", "gru/ensemble", "most_frequent", "markov", "oracle")
    metrics = [json.loads((results / "yoochoose" / run / "next_event.json").read_text()) for run in runs]
    for question in ("event", "category"):
        counts = [{row["name"]: row["actual"] for row in run[question]["classes"]} for run in metrics]
        actual = [{name: count for name, count in run.items() if count} for run in counts]
        assert actual == [actual[0]] * len(runs)
        first, second, ensemble, most_frequent, _, oracle = (
            run[question]["cross_entropy"]["value"] for run in metrics
        )
        assert oracle < most_frequent
        assert min(first, second) != ensemble < (first + second) / 2
    page = (results / "report/index.html").read_text("utf-8")
    assert "what comes next?" in page
    rules, missing = missing_from_digests(tmp_path / "run")
    assert {"next_event", "next_event_baselines", "next_event_oracle"} <= rules
    assert missing == {}
    assert "Markov, first order" in page


def test_a_finished_run_leaves_its_figures_in_the_history(finished: Path) -> None:
    results = finished / "results"
    run = read_history(results).runs[1]
    assert (run.targets, run.datasets, run.changes) == (["all"], ["yoochoose", "retailrocket"], [])
    paths = {f"{each.dataset}/{each.run.replace(' seed ', '/seed-')}": each for each in run.figures}
    assert set(paths) == {f"{dataset}/{run}" for dataset in run.datasets for run in RUNS}
    for path, figures in paths.items():
        metrics = json.loads((results / path / "metrics.json").read_text())
        assert figures.auc is not None and figures.auc.value == metrics["auc"]["value"]
        assert (results / f"runs/{figures.scores}.parquet").exists()
    assert {text.model for text in run.texts} == {"deck", "char_gru"} and run.seconds > 1


def test_every_line_and_event_is_accounted_for(finished: Path) -> None:
    """Each line of the log is an event, a header, blank, rejected or a duplicate.

    Each event is kept, cut off or in a dropped session.
    """
    for dataset in ("yoochoose", "retailrocket"):
        folder = finished / "results" / dataset
        events = json.loads((folder / "events.json").read_text())
        sessions = json.loads((folder / "sessions.json").read_text())
        windows = json.loads((folder / "windows.json").read_text())
        assert events["rows"] == pq.read_table(folder / "events").num_rows
        lines = events["lines"]
        parts = ("header", "blank", "rejected", "duplicates", "kept")
        assert lines["lines"] == sum(lines[part] for part in parts)
        assert lines["kept"] == events["rows"] == sessions["events"]["total"]
        assert sessions["events"]["total"] == sum(
            sessions["events"][part] for part in ("kept", "cut", "dropped")
        )
        assert sessions["sessions"] == pq.read_table(folder / "sessions").num_rows
        kept = sum(windows["splits"][split]["rows"] for split in ("train", "valid", "test"))
        assert kept + windows["open"] == sessions["sessions"]


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    for arguments in (["--dry-run"], []):
        again = snakemake(finished, *arguments)
        assert "Nothing to be done" in again.stdout + again.stderr
    assert list(read_history(finished / "results").runs) == [1]


def test_a_wrong_setting_stops_before_any_job_with_its_key(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("training:\n  epoch: 3\n")
    run = snakemake(make_run_folder(tmp_path / "run"), config=wrong)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert "training.epoch: there is no such key (given 3); did you mean epochs?" in output
    assert "Traceback" not in output
    assert not (tmp_path / "run/results").exists()


def test_a_missing_log_stops_before_any_job_with_its_path(tmp_path: Path) -> None:
    config = tmp_path / "real.yaml"
    config.write_text(yaml.safe_dump({"datasets": {"yoochoose": {"source": str(tmp_path / "nowhere")}}}))
    run = snakemake(make_run_folder(tmp_path / "run"), config=config)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert "datasets.yoochoose.source" in output
    assert "nowhere" in output
    assert "Traceback" not in output


def test_a_bad_log_fails_with_a_message_about_its_first_bad_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    good = "".join(f"{n},2014-04-07T10:51:{n % 60:02d}.277Z,{n % 7},0\n" for n in range(50))
    (log / "yoochoose-clicks.dat").write_text(good + "51,yesterday,5,0\n52,2014-04-07T10:51:09.277Z\n")
    config = tmp_path / "real.yaml"
    config.write_text(yaml.safe_dump({"datasets": {"yoochoose": {"source": str(log)}}}))
    folder = make_run_folder(tmp_path / "run")
    run = snakemake(folder, "results/yoochoose/events", config=config)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert re.search(r"yoochoose-clicks\.dat:51: .*yesterday", output)
    assert re.search(r"yoochoose-clicks\.dat:52: ", output)
    assert "Traceback" not in output
    assert not (folder / "results/yoochoose/events").exists()


@pytest.mark.parametrize(
    "command",
    [["snakemake", "--lint"], ["snakefmt", "--check", "Snakefile", "rules"]],
    ids=["lint", "format"],
)
def test_the_rules_pass_the_linter_and_the_formatter(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
