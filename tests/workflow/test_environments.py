"""The conda environments contain all libraries that their steps import, in the locked versions."""

import json
import re

import pytest
import yaml
from workflow_runs import ROOT

from rabbithole.config.validation import model_names
from rabbithole.formats.base import format_names, raw_format
from rabbithole.registry import module_name
from rabbithole.workflow import digests
from rabbithole.workflow.digests import code_digest
from rabbithole.workflow.pins import pinned_versions
from rabbithole.workflow.project import FIGURES

STEPS = {
    "spark": [
        digests.SIMULATE,
        digests.ORACLE,
        digests.EVENTS,
        digests.SESSIONS,
        digests.WINDOWS,
        digests.CHECK_LEAKS,
        *[module_name("format", name) for name in format_names()],
        *[module_name("simulator", shop) for name in format_names() if (shop := raw_format(name).simulator)],
    ],
    "jax": [
        digests.TRAIN,
        digests.SCORE,
        digests.EXPLAIN,
        digests.NEXT_EVENT,
        digests.LEAK_PROBE,
        digests.ABLATION,
        digests.BOOK,
        digests.TRAIN_TEXT,
        digests.SAMPLE_TEXT,
        *[module_name("objective", target) for target in ("buyer", "next_event")],
        *[module_name("model", name) for name in model_names()],
        "rabbithole.cli.jax_setup",
    ],
    "predict": [
        digests.PACKAGE_MODEL,
        digests.PREDICT,
        digests.MONITOR,
        *[module_name("format", name) for name in format_names()],
        *[module_name("model", name) for name in model_names()],
    ],
    "report": [
        digests.ENSEMBLE,
        digests.EVALUATE,
        digests.COMPARE_MODELS,
        digests.NEXT_EVENT_BASELINES,
        digests.NEXT_EVENT_ORACLE,
        digests.STUDY_TABLES,
        digests.PAGE,
        *[module_name("figure", name) for name in (*FIGURES, "alice_learning")],
    ],
}


def pinned(name: str) -> dict[str, str]:
    """Return the pinned version of each pip package in an environment."""
    dependencies = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    pip = [line for entry in dependencies if isinstance(entry, dict) for line in entry["pip"]]
    return dict(line.split("==") for line in pip)


@pytest.mark.parametrize("name", STEPS)
def test_an_environment_contains_the_imports_of_its_steps_in_the_locked_versions(name: str) -> None:
    versions, environment = pinned_versions(), pinned(name)
    assert {library: versions[library.lower()] for library in environment} == environment
    used = json.loads(code_digest(*STEPS[name]))
    imported = {library for library in used if library in versions} | {"typer", "pydantic"}
    assert not imported - {library.lower() for library in environment} - {"jaxlib"}


@pytest.mark.parametrize("lock", ["cpu", "cuda"])
def test_a_lock_holds_what_the_requirements_name_and_no_address(lock: str) -> None:
    names = ["core", "dev", "serve", "export", "fetch"] + ["jax-cuda"] * (lock == "cuda")
    text = "".join((ROOT / f"requirements/{name}.in").read_text() for name in names)
    named = re.findall(r"^([\w.-]+)(?:\[\w+\])?(==[^\s;]+)", text, re.MULTILINE)
    locked = (ROOT / f"requirements/{lock}.txt").read_text()
    lines = set(re.findall(r"^[^\s;]+", locked, re.MULTILINE))
    assert [name + pin for name, pin in named if name.lower() + pin not in lines] == [], "run `make lock`"
    assert "://" not in locked


def test_every_rule_names_an_environment() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = re.findall(r"envs/(\w+)\.yaml", rules)
    assert len(named) == len(re.findall(r"^rule ", rules, re.MULTILINE))
    assert set(named) == set(STEPS)
