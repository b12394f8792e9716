"""`rabbithole why`: the jobs of a dry run by reason."""

import json
from pathlib import Path

import pytest

from rabbithole.errors import UserError
from rabbithole.workflow import places
from rabbithole.workflow.places import find_snakefile
from rabbithole.workflow.why import explain

UPDATED = "Input files updated by another job: results/shop/gru/seed-1/scores.parquet"


def params(before: object, now: object) -> str:
    """Return the reason of a changed param as Snakemake writes it."""
    texts = (repr(json.dumps(value)) for value in (before, now))
    union = "Union of exclusive params before and now across all output: before: {} now: {} "
    return f"Params have changed since last execution: {union.format(*texts)}"


def jobs(*reasons: str) -> str:
    """Return a dry run with a job per reason."""
    return "\n".join(f"Job {n}: Job number {n}\nReason: {reason}" for n, reason in enumerate(reasons))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with results of one data set, model and seed."""
    (tmp_path / "results/shop/gru/seed-0").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("results/shop/gru/seed-1/checkpoint", "seed 1 is new: 4 jobs"),
        ("results/shop/lstm/seed-0/history.json", "lstm is new: 4 jobs"),
        ("results/third/events", "third is new: 4 jobs"),
        ("out/shop/events", "there are no results yet: 4 jobs"),
        ("results/shop/gru/seed-0/checkpoint", "results/shop/gru/seed-0/checkpoint is missing: 4 jobs"),
    ],
)
def test_jobs_are_grouped_by_what_is_new(folder: Path, path: str, text: str) -> None:
    lines = list(explain(jobs(*[f"Missing output files: {path}, x.json"] * 4), folder))
    assert lines[0] == text
    assert lines[-1] == "    and 1 more (`rabbithole -v why` lists them)"


def test_jobs_are_grouped_by_the_setting_with_its_old_and_new_value(folder: Path) -> None:
    change = params({"width": 8, "rate": 0.1}, {"width": 16, "rate": 0.1})
    lines = list(explain(jobs(change, change, UPDATED), folder))
    assert lines[0] == "width: 8 -> 16: 2 jobs"
    assert lines[-2:] == ["These follow: 1 job", "    Job number 2"]
    assert len(list(explain(jobs(*[change] * 9), folder, list_jobs=True))) == 10


def test_the_rule_that_only_collects_is_no_job(folder: Path) -> None:
    collecting = f"rule all:\n    reason: {UPDATED}\n"
    assert list(explain(collecting + jobs(UPDATED), folder)) == ["These follow: 1 job", "    Job number 0"]


def test_changed_code_is_named_without_its_digests(folder: Path) -> None:
    change = params(
        {"rabbithole.a": "12", "rabbithole.b": "1", "jax": "1"}, {"rabbithole.a": "34", "jax": "2"}
    )
    assert list(explain(jobs(change), folder))[1:4] == [
        '    jax: "1" -> "2"',
        "    the code rabbithole.a has changed",
        "    the code rabbithole.b was added or removed",
    ]


def test_a_section_that_comes_or_goes_is_one_line(folder: Path) -> None:
    before = {"datasets": {"shop": {"format": "table", "gap": 30}}, "seed": 0}
    now = {"datasets": {"other": {"format": "yoochoose"}}, "seed": 0}
    lines = list(explain(jobs(params(before, now)), folder))
    assert lines[:3] == [
        "1 job",
        "    datasets.other: none -> a section of 1 key",
        "    datasets.shop: a section of 2 keys -> removed",
    ]


def test_files_of_a_new_model_are_no_reason_but_a_setting_is(folder: Path) -> None:
    """A figure that follows also names the new files; a job that follows may have a changed setting too."""
    before, now = {"metrics": {"gru": "results/a"}}, {"metrics": {"gru": "results/a", "lstm": "results/b"}}
    inputs = "Set of input files has changed since last execution"
    lines = list(explain(jobs(f"{UPDATED}; {inputs}; {params(before, now)}", inputs), folder))
    assert lines == [f"{inputs}: 1 job", "    Job number 1", "These follow: 1 job", "    Job number 0"]
    title = f"{UPDATED}; {params(before | {'title': 'A; B'}, now | {'title': 'C'})}"
    assert next(explain(jobs(title), folder)) == 'title: "A; B" -> "C": 1 job'


def test_a_figure_drawn_again_for_a_new_model_follows(folder: Path) -> None:
    reason = f"Missing output files: results/shop/x.svg; {UPDATED}"
    assert next(explain(jobs(reason), folder)) == "These follow: 1 job"


def test_the_project_is_found_from_below_and_elsewhere_the_checkout_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = Path(places.__file__).parents[3]
    assert find_snakefile(tmp_path) == (tmp_path, checkout / "Snakefile")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").touch()
    (tmp_path / "results/shop").mkdir(parents=True)
    assert find_snakefile(tmp_path / "results/shop") == (tmp_path, tmp_path / "workflow/Snakefile")
    monkeypatch.setattr(places, "__file__", "/lib/python/site-packages/rabbithole/workflow/places.py")
    with pytest.raises(UserError, match=r"There is no Snakefile in / or above it: go to the folder"):
        find_snakefile(Path("/"))
