"""The Slurm profile knows the rules, all of them and no others."""

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
    for asked in resources.values():
        assert all(re.fullmatch(r"\d+ \* attempt", asked[key]) for key in ("mem_mb", "runtime"))


def test_the_profile_names_no_rule_that_is_not_there() -> None:
    assert set(PROFILE["set-threads"]) <= SUBMITTED
    assert set(PROFILE["groups"]) <= SUBMITTED
    assert {name for name, asked in PROFILE["set-resources"].items() if "gpu" in asked} == {
        name for name, body in RULES.items() if "gpu=" in body
    }


def test_a_launcher_stands_only_where_a_rule_takes_one() -> None:
    launched = re.findall(r"^  (\w+):\n(?:    .*\n)*?    # mpi: ", TEXT, re.MULTILINE)
    assert set(launched) == {name for name, body in RULES.items() if "launcher=OPTIONS.launcher" in body}
