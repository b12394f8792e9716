"""Why each job would run again: Snakemake's dry run, with settings and code compared key by key.

Snakemake tells a changed param by its whole text before and now. Here those texts are JSON (the settings that
a step reads, the digests of the code that it runs), so the keys that differ can be told.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from rabbithole.errors import UserError

LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
JOB = re.compile(r"^(?:Job \d+: (?P<message>.*)|(?:local)?(?:rule|checkpoint) (?P<rule>\w+):)$")
REASON = re.compile(r"^\s*[Rr]eason: (?P<reason>.*)$")


def why(arguments: list[str]) -> Iterator[str]:
    """Yield lines that say what would run and why; `arguments` go to Snakemake as they are.

    Raises `UserError` with Snakemake's own words when the dry run fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise UserError("the dry run failed:\n" + (run.stdout + run.stderr)[-4000:].strip())
    yield from explain(run.stdout + run.stderr)


def explain(dry_run: str) -> Iterator[str]:
    """Yield the jobs of a dry run's text, each followed by its reasons; jobs that only follow come last."""
    following = []
    job = ""
    none = True
    for text in dry_run.splitlines():
        if found := JOB.match(text):
            job = found["message"] or found["rule"]
        elif job and (found := REASON.match(text)):
            none = False
            reason = found["reason"].strip()
            if reason.startswith("Input files updated by another job"):
                following.append(job)
            else:
                yield job
                yield from (f"    {line}" for line in reasons(reason))
            job = ""
    if none:
        yield "Nothing would run."
    elif following:
        yield "And what follows from these:"
        yield from (f"    {name}" for name in following)


def reasons(text: str) -> list[str]:
    """Return a job's reason in short lines: changed settings and code by key, other reasons as they are."""
    head, marker, tail = text.partition("Union of exclusive params before and now across all output:")
    if not marker:
        return [text]
    before, _, now = tail.partition(" now: ")
    old, new = values(before), values(now)
    lines = []
    for value in old:
        same_kind = [one for one in new if set(flat(one)) & set(flat(value))]
        lines += differences(value, same_kind[0] if same_kind else {})
        new = [one for one in new if one not in same_kind[:1]]
    for value in new:
        lines += differences({}, value)
    other = head.replace("Params have changed since last execution:", "").strip(" ;")
    return lines + ([other] if other else [])


def values(text: str) -> list[dict[str, Any]]:
    """Return the params in a list of Python literals; one that is no JSON object stands under `content`."""
    found = []
    for literal in LITERAL.findall(text):
        value = ast.literal_eval(literal)
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        found.append(parsed if isinstance(parsed, dict) else {"content": parsed})
    return found


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, below in value.items()
        for key, leaf in flat(below, f"{path}.{name}" if path else name).items()
    }


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return a line per key that differs, with its old and new value."""
    before, now = flat(old), flat(new)
    return [
        f"{key}: {json.dumps(before[key]) if key in before else 'not there'} -> "
        f"{json.dumps(now[key]) if key in now else 'gone'}"
        for key in sorted(before | now)
        if key not in before or key not in now or before[key] != now[key]
    ]
