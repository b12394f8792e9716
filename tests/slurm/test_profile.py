"""The Slurm profile configures every rule that is submitted as a job, and no others."""

import re
from typing import Any

import yaml
from workflow_runs import ROOT

TEXT = (ROOT / "profiles/slurm/profile.yaml").read_text("utf-8")
PROFILE: dict[str, Any] = yaml.safe_load(TEXT)
RULES = {
    name: body
    for file in (ROOT / "rules").glob("*.smk")
    for name, body in re.findall(r"(?ms)^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text("utf-8"))
}
SUBMITTED = {name for name, body in RULES.items() if "localrule: True" not in body}


def test_every_submitted_rule_gets_more_memory_and_time_on_each_attempt() -> None:
    resources = PROFILE["set-resources"]
    assert set(resources) == SUBMITTED
    for options in resources.values():
        assert all(re.fullmatch(r"\d+ \* attempt", options[key]) for key in ("mem_mb", "runtime"))


def test_the_profile_names_only_existing_rules() -> None:
    assert set(PROFILE["set-threads"]) <= SUBMITTED
    assert set(PROFILE["groups"]) <= SUBMITTED
    assert {name for name, options in PROFILE["set-resources"].items() if "gpu" in options} == {
        name for name, body in RULES.items() if "gpu=" in body
    }


def test_the_profile_offers_a_launcher_for_exactly_the_rules_that_use_it() -> None:
    launched = re.findall(r"^  (\w+):\n(?:    .*\n)*?    # mpi: ", TEXT, re.MULTILINE)
    assert set(launched) == {name for name, body in RULES.items() if "launcher=OPTIONS.launcher" in body}
