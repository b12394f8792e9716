"""Compare the modules that each step of a finished run loaded with the modules that its code digest covers.

The run must be made with `snakemake(..., list_imports=True)`. Then Python writes the modules that it imports
to the log of each job.
"""

import ast
import json
import re
from pathlib import Path

LOADED = re.compile(r"^import time:.*\| +(rabbithole\S*)$", re.MULTILINE)

SHARED = re.compile(
    r"rabbithole(\.\w+|\.(cli|specs)\..*|\.report\.figures|\.models\.features"
    r"|\.workflow\.pins|\.spark\.task_progress)?$"
)
"""Modules that the command line imports for every step, and packages that contain only a docstring."""


def missing_from_digests(folder: Path) -> tuple[set[str], dict[str, set[str]]]:
    """Return the names of the checked rules, and by log the loaded modules that the code digest misses."""
    rules, missing = set(), {}
    for file in (folder / ".snakemake/metadata").iterdir():
        record = json.loads(file.read_text())
        if not record["log"]:
            continue
        params = [ast.literal_eval(text) for text in record["params"]]
        covered: set[str] = set()
        for param in params:
            if isinstance(param, str) and param.startswith('{"'):
                covered |= {name for name in json.loads(param) if name.startswith("rabbithole.")}
        loaded = set(LOADED.findall((folder / record["log"][0]).read_text()))
        assert "rabbithole.cli" in loaded, f"{record['log'][0]} lists no imports"
        rules.add(record["rule"])
        if extra := {name for name in loaded if not SHARED.match(name)} - covered:
            missing[record["log"][0]] = extra
    return rules, missing
