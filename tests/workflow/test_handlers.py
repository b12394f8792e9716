"""The handlers in the Snakefile run in real runs only, so a dry run finds no name that is missing."""

import re

from workflow_runs import ROOT


def test_the_handlers_call_functions_that_the_rules_import() -> None:
    handlers = (ROOT / "Snakefile").read_text("utf-8").partition("onstart:")[2]
    called = set(re.findall(r"\b([a-z]\w*)\(", handlers))
    imports = re.findall(
        r"^from \S+ import ([^(\n]+|\([^)]+)", (ROOT / "rules/common.smk").read_text("utf-8"), re.M
    )
    assert len(called) > 3
    assert called <= set(re.findall(r"\w+", " ".join(imports)))
