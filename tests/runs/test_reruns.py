"""Touched files, other logs, models and data sets rerun the jobs that they can affect and no others."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from expected_jobs import (
    MODEL_FIGURES,
    SHOPS,
    YOOCHOOSE,
    drawn,
    from_events,
    packaged,
    trained,
)
from workflow_runs import TINY, Copy, snakemake, with_constant


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
