"""A change reruns the jobs that it can affect and no others: the rows of the README's table."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_runs import TINY, snakemake

SHOPS = ("yoochoose", "retailrocket")
MODELS = ("gru", "dilated_conv", "gradient_boosting")
NETWORKS = ("gru", "dilated_conv")
METRIC_FIGURES = ("roc", "precision_recall", "reliability", "early", "gain")
EXPLAINED = ("importance", "journeys")
MODEL_FIGURES = (*METRIC_FIGURES, *EXPLAINED, "learning")
FIGURES = (*MODEL_FIGURES, "lengths")
YOOCHOOSE = ("yoochoose",)
PAGE = {"Writing the report"}
JOB = re.compile(r"^Job \d+: (.*)$", re.MULTILINE)


@dataclass
class Copy:
    """A copy of the project and of its finished run. Tests may change both."""

    project: Path
    run: Path

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Edit a file of the project; fails if the edit has no effect."""
        path = self.project / file
        before = path.read_text("utf-8")
        after = change(before)
        assert after != before, file
        path.write_text(after, "utf-8")

    def jobs(self, config: dict[str, Any] | None = None, *targets: str) -> set[str]:
        """Return the messages of the jobs that would run."""
        overlay = None
        if config is not None:
            overlay = self.run / "overlay.yaml"
            overlay.write_text(yaml.safe_dump(config))
        done = snakemake(self.run, "--dry-run", *targets, config=overlay, root=self.project)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(JOB.findall(done.stdout + done.stderr))


@pytest.fixture
def copy(project: Path, finished: Path, tmp_path: Path) -> Copy:
    """Copy the finished run and the project to other folders, with their modification times."""
    shutil.copytree(project, tmp_path / "project")
    shutil.copytree(finished, tmp_path / "run", symlinks=True)
    return Copy(tmp_path / "project", tmp_path / "run")


def packaged(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs that package the best model, which follow any metrics."""
    return {f"Packaging the best model of {shop}" for shop in shops}


def trained(shops: tuple[str, ...] = SHOPS, models: tuple[str, ...] = MODELS) -> set[str]:
    """Return the jobs from training on, without the page and the figures."""
    jobs = set()
    for shop in shops:
        jobs |= packaged((shop,)) | {f"Comparing the models on {shop}"}
        for model in models:
            jobs |= {f"Training {model} on {shop}, seed 0", f"Scoring {shop} with {model}, seed 0"}
            jobs.add(f"Evaluating {model}/seed-0 on {shop}")
            jobs.add(f"Explaining {model} on {shop}, seed 0")
    return jobs


def evaluated() -> set[str]:
    """Return the jobs that evaluate scores, including those of the oracle."""
    runs = (*(f"{model}/seed-0" for model in MODELS), "oracle")
    return packaged() | {f"Evaluating {run} on {shop}" for shop in SHOPS for run in runs}


def drawn(shops: tuple[str, ...] = SHOPS, figures: tuple[str, ...] = FIGURES) -> set[str]:
    """Return the jobs that draw figures, and the job of the page."""
    return {f"Drawing {figure} of {shop}" for shop in shops for figure in figures} | PAGE


def from_windows(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs from the windows on, without those that read only sessions."""
    encoded = {f"Encoding the windows of {shop}" for shop in shops}
    checked = {f"Checking {shop} for leaks" for shop in shops}
    return encoded | checked | trained(shops) | drawn(shops, MODEL_FIGURES)


def from_sessions(shops: tuple[str, ...] = SHOPS, oracle: bool = True) -> set[str]:
    """Return the jobs from the sessions on."""
    jobs = {f"Building the sessions of {shop}" for shop in shops} | from_windows(shops) | drawn(shops)
    if oracle:
        jobs |= {f"Scoring {shop} with the oracle" for shop in shops}
        jobs |= {f"Evaluating oracle on {shop}" for shop in shops}
    return jobs


def from_events(shops: tuple[str, ...] = SHOPS) -> set[str]:
    """Return the jobs from the events on."""
    return {f"Reading the raw log of {shop}" for shop in shops} | from_sessions(shops)


def with_constant(text: str) -> str:
    """Return a module's code with an unused constant added."""
    return text + "\n\nUNUSED = 1\n"


def touch(folder: Path) -> None:
    """Set the modification time of all files of a folder to now."""
    for path in folder.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path)


def test_moving_touching_and_commenting_files_reruns_nothing(copy: Copy) -> None:
    assert copy.jobs() == set()
    touch(copy.project)
    copy.edit("config.yaml", lambda text: yaml.safe_dump(yaml.safe_load(text), sort_keys=True))
    assert copy.jobs() == set()


def test_touching_results_reruns_nothing(copy: Copy) -> None:
    future = 2_000_000_000
    for path in (copy.run / "results").rglob("*"):
        os.utime(path, (future, future))
    assert copy.jobs() == set()


def test_a_data_set_reruns_if_the_content_of_its_log_changes(copy: Copy, tmp_path: Path) -> None:
    """A log that is only touched reruns nothing. A new line reruns the data set from its events on."""
    log = tmp_path / "log"
    shutil.copytree(copy.run / "results/yoochoose/raw", log)
    config = {"datasets": {"yoochoose": {"source": str(log)}}}
    no_oracle = from_events(YOOCHOOSE) - {
        "Scoring yoochoose with the oracle",
        "Evaluating oracle on yoochoose",
    }
    assert copy.jobs(config) == no_oracle
    target = "results/yoochoose/events"
    done = snakemake(copy.run, target, config=copy.run / "overlay.yaml", root=copy.project)
    assert done.returncode == 0, done.stderr
    assert copy.jobs(config, target) == set()
    touch(log)
    assert copy.jobs(config, target) == set()
    with (log / "yoochoose-clicks.dat").open("a") as clicks:
        clicks.write("99999999,2014-09-29T10:00:00.000Z,214536502,0\n")
    assert copy.jobs(config, target) == {"Reading the raw log of yoochoose"}


def without(section: str, name: str) -> Callable[[str], str]:
    """Return an edit that removes an entry from a section of a YAML file."""

    def edit(text: str) -> str:
        values = yaml.safe_load(text)
        del values[section][name]
        return yaml.safe_dump(values)

    return edit


def test_removing_a_model_or_data_set_reruns_no_other(copy: Copy) -> None:
    for file in ("config.yaml", "tests/runs/tiny.yaml"):
        copy.edit(file, without("models", "gradient_boosting"))
    compared = packaged() | {f"Comparing the models on {shop}" for shop in SHOPS}
    assert copy.jobs() == compared | drawn(figures=MODEL_FIGURES)
    for file in ("config.yaml", "tests/runs/tiny.yaml"):
        copy.edit(file, without("datasets", "yoochoose"))
    remaining = ("retailrocket",)
    compared = packaged(remaining) | {"Comparing the models on retailrocket"}
    assert copy.jobs() == compared | drawn(remaining, figures=MODEL_FIGURES)


def test_adding_a_data_set_runs_only_its_own_jobs(copy: Copy) -> None:
    third = yaml.safe_load((copy.project / "config.yaml").read_text())["datasets"]["yoochoose"]
    expected = {"Simulating the raw log of third"} | from_events(("third",))
    assert copy.jobs({"datasets": {"third": third}}) == expected


def test_a_blend_runs_only_its_own_jobs_and_is_made_again_with_a_member(copy: Copy) -> None:
    own = trained(models=("blend",)) | drawn(figures=MODEL_FIGURES)
    assert copy.jobs({"models": {"blend": {}}}) == own
    models = {"blend": {}, "gru": {"dropout": 0.4}}
    assert copy.jobs({"models": models}) == own | trained(models=("gru",))


def why(copy: Copy, config: dict[str, Any]) -> str:
    """Return the output of `rabbithole why`."""
    overlay = copy.run / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(config))
    arguments = ["--snakefile", str(copy.project / "Snakefile"), "--directory", str(copy.run)]
    arguments += ["--configfile", str(copy.project / TINY), str(overlay)]
    command = [sys.executable, "-m", "rabbithole", "why", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=copy.run)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_why_prints_the_old_and_the_new_value(copy: Copy) -> None:
    assert why(copy, {}) == "Nothing would run.\n"
    output = why(copy, {"models": {"gru": {"learning_rate": 0.01}}})
    assert "settings.learning_rate: 0.003 -> 0.01: 2 jobs\n    Training gru on " in output
    assert "These follow: " in output
    assert "Building the sessions" not in output
    copy.edit("src/rabbithole/report/figures/roc.py", with_constant)
    changed = "the code rabbithole.report.figures.roc has changed: 2 jobs\n    Drawing roc of "
    assert changed in why(copy, {})


ROWS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "title": ({"report": {"title": "Who?"}}, PAGE),
    "figure style": (
        {"report": {"style": {"width": 5.0}}},
        drawn() | {"Drawing the learning curves of Alice"},
    ),
    "learning rate of one model": (
        {"models": {"gru": {"learning_rate": 0.01}}},
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "cost of a contact": ({"evaluation": {"contact_cost": 2.0}}, evaluated() | drawn(figures=METRIC_FIGURES)),
    "a seed added": (
        {"training_seeds": [0, 1]},
        {
            job.replace("seed 0", "seed 1").replace("seed-0", "seed-1")
            for job in trained()
            if "Explaining" not in job
        }
        | {f"Averaging the seeds of {model} on {shop}" for model in MODELS for shop in SHOPS}
        | {f"Evaluating {model}/ensemble on {shop}" for model in MODELS for shop in SHOPS}
        | drawn(figures=(*METRIC_FIGURES, "learning")),
    ),
    "balance": (
        {"datasets": {"yoochoose": {"balance": "class_weight"}}},
        trained(YOOCHOOSE) | drawn(YOOCHOOSE, MODEL_FIGURES),
    ),
    "augmentation": (
        {"datasets": {"yoochoose": {"augmentation": {"event_dropout": 0.1}}}},
        trained(YOOCHOOSE) | drawn(YOOCHOOSE, MODEL_FIGURES),
    ),
    "target": (
        {"datasets": {"yoochoose": {"target": "next_event"}}},
        {f"Training {model} on yoochoose, seed 0" for model in NETWORKS}
        | {f"Evaluating the next events of {model} on yoochoose, seed-0" for model in NETWORKS}
        | {
            "Evaluating the next-event baselines on yoochoose",
            "Evaluating the oracle's next events on yoochoose",
        }
        | PAGE,
    ),
    "minimum item count": (
        {"datasets": {"yoochoose": {"windows": {"minimum_item_count": 2}}}},
        from_windows(YOOCHOOSE),
    ),
    "window length": (
        {"datasets": {"yoochoose": {"windows": {"length": 60}}}},
        from_windows(YOOCHOOSE) | {"Scoring yoochoose with the oracle", "Evaluating oracle on yoochoose"},
    ),
    "time zone": ({"datasets": {"yoochoose": {"timezone": "Europe/Berlin"}}}, from_windows(YOOCHOOSE)),
    "split": ({"datasets": {"yoochoose": {"split": {"by": "hash"}}}}, from_sessions(YOOCHOOSE)),
    "session gap (there is no oracle then)": (
        {"datasets": {"retailrocket": {"sessions": {"gap_minutes": 30.0}}}},
        from_sessions(("retailrocket",), oracle=False),
    ),
    "a log to score, and a later one to watch its model with": (
        {
            "predict": {"today": {"model": "yoochoose", "log": "results/yoochoose/raw"}},
            "monitor": {
                "later": {
                    "model": "yoochoose",
                    "log": "results/yoochoose/raw",
                    "scores": ["results/predict/today/scores.parquet"],
                }
            },
        },
        {"Scoring the log today", "Watching a model with the log later"} | PAGE,
    ),
    "a sample; prediction at the first cart (there is no oracle then)": (
        {
            "datasets": {
                "yoochoose": {"sessions": {"sample": 0.5}},
                "retailrocket": {"sessions": {"until": "first_cart"}},
            }
        },
        from_sessions(YOOCHOOSE) | from_sessions(("retailrocket",), oracle=False),
    ),
    "fields that models see": (
        {"datasets": {"yoochoose": {"windows": {"fields": ["item"]}}}},
        from_windows(YOOCHOOSE),
    ),
    "size of the simulation": (
        {"datasets": {"yoochoose": {"simulate": {"sessions": 3100}}}},
        {"Simulating the raw log of yoochoose"} | from_events(YOOCHOOSE),
    ),
    "two settings swap their values": (
        {"models": {"gru": {"width": 8, "embedding_width": 16}}},
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "temperatures": (
        {"alice": {"temperatures": [0.3]}},
        {"Sampling text with deck", "Sampling text with char_gru"} | PAGE,
    ),
    "threads, memory, master, checkpoints, storage": (
        {
            "storage": "s3://bucket/shops",
            "training": {"checkpoint_minutes": 7.0},
            "spark": {
                "threads": 2,
                "memory_mb": 2500,
                "master": "local",
                "conf": {"spark.ui.showConsoleProgress": "false"},
            },
        },
        set(),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_changed_setting_reruns_the_jobs_that_depend_on_it(copy: Copy, row: str) -> None:
    config, expected = ROWS[row]
    # The page shows all settings that can change a result, so it is always written again.
    assert copy.jobs(config) == expected


CODE: dict[str, tuple[str, Callable[[str], str], set[str]]] = {
    "a page template": ("src/rabbithole/report/templates/page.html.j2", lambda text: text + "<!-- -->", PAGE),
    "a plot": ("src/rabbithole/report/figures/roc.py", with_constant, drawn(figures=("roc",))),
    "the evaluation": (
        "src/rabbithole/evaluation/evaluate.py",
        with_constant,
        evaluated() | drawn(figures=METRIC_FIGURES),
    ),
    "the field importance": (
        "src/rabbithole/evaluation/explain.py",
        with_constant,
        {f"Explaining {model} on {shop}, seed 0" for model in MODELS for shop in SHOPS}
        | drawn(figures=EXPLAINED),
    ),
    "the GRU": (
        "src/rabbithole/models/gru.py",
        with_constant,
        trained(models=("gru",)) | drawn(figures=MODEL_FIGURES),
    ),
    "the sessioniser": ("src/rabbithole/sessions/build.py", with_constant, from_sessions()),
    "the simulator": (
        "src/rabbithole/simulator/write.py",
        with_constant,
        {f"Simulating the raw log of {shop}" for shop in SHOPS} | from_events(),
    ),
    "a docstring and a comment": (
        "src/rabbithole/models/gru.py",
        lambda text: text.replace('"""', '"""Also: ', 1) + "\n# A comment.\n\n",
        set(),
    ),
    "a settings description": (
        "src/rabbithole/config/datasets.py",
        lambda text: text.replace('description="', 'description="Also: '),
        set(),
    ),
    "the version of matplotlib": (
        "requirements/core.in",
        lambda text: re.sub(r"matplotlib==\S+", "matplotlib==9.9.9", text),
        drawn() | {"Drawing the learning curves of Alice"},
    ),
}


@pytest.mark.parametrize("row", CODE)
def test_changed_code_reruns_the_jobs_that_run_it(copy: Copy, row: str) -> None:
    file, change, expected = CODE[row]
    copy.edit(file, change)
    assert copy.jobs() == expected
