"""What `--sdm conda` installs on a node is what the lock pins, and is all that the node's steps import."""

import json
import re

import pytest
import yaml
from workflow_runs import ROOT

from rabbithole.workflow.code_digest import code_digest, pinned_versions

STEPS = {
    "spark": [
        "simulate.write",
        "simulate.oracle",
        "sources.build",
        "sessions.build",
        "windows.build",
    ],
    "jax": [
        "training.train",
        "training.score",
        "training.buyer",
        "training.next_event",
        "evaluation.next_network",
        *[f"models.{name}" for name in ("gru", "dilated_conv", "gradient_boosting", "char_deck", "char_gru")],
        "alice.fetch",
        "alice.train",
        "alice.sample",
        "compiled",
    ],
    "report": [
        "evaluation.evaluate",
        "evaluation.rank",
        "evaluation.next_baselines",
        "evaluation.next_oracle",
        "report.page",
        *[
            f"report.{name}"
            for name in ("roc", "precision_recall", "reliability", "early", "gain", "learning", "lengths")
        ],
        "report.alice_learning",
    ],
}


def pinned(name: str) -> dict[str, str]:
    """Return the versions in an environment, those of pip as well."""
    listed = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    pip = [line for entry in listed if isinstance(entry, dict) for line in entry["pip"]]
    return dict(line.split("==") for line in pip)


@pytest.mark.parametrize("name", STEPS)
def test_an_environment_holds_what_its_steps_import_as_the_lock_has_it(name: str) -> None:
    versions, environment = pinned_versions(), pinned(name)
    assert {library: versions[library.lower()] for library in environment} == environment
    used = json.loads(code_digest(*[f"rabbithole.{step}" for step in STEPS[name]]))
    imported = {library for library in used if library in versions} | {"typer"}
    assert not imported - {library.lower() for library in environment} - {"jaxlib"}


def test_every_rule_has_one_of_the_environments() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = re.findall(r"envs/(\w+)\.yaml", rules)
    assert len(named) == len(re.findall(r"^rule ", rules, re.MULTILINE))
    assert set(named) == set(STEPS)
