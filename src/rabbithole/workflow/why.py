"""Why each job would run: Snakemake's dry run, with settings and code compared key by key.

Snakemake shows a changed param as its whole text before and after. Here these texts are JSON (the spec of a
step, the digests of its code), so the keys that differ can be shown.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

from pydantic import JsonValue

from rabbithole.errors import UserError

LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
JOB = re.compile(r"^(?:Job \d+: (?P<message>.*)|(?:local)?(?:rule|checkpoint) (?P<rule>\w+):)$")
REASON = re.compile(r"^\s*[Rr]eason: (?P<reason>.*)$")


def why(arguments: list[str]) -> Iterator[str]:
    """Yield lines that say what would run and why. The arguments are passed on to Snakemake.

    Raises `UserError` with Snakemake's own message when the dry run fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise UserError("the dry run failed:\n" + (run.stdout + run.stderr)[-4000:].strip())
    yield from explain(run.stdout + run.stderr)


def explain(dry_run: str) -> Iterator[str]:
    """Yield the jobs of a dry run, each followed by its reasons. Jobs that only follow others come last."""
    following = []
    job = ""
    empty = True
    for line in dry_run.splitlines():
        if match := JOB.match(line):
            job = match["message"] or match["rule"]
        elif job and (match := REASON.match(line)):
            empty = False
            reason = match["reason"].strip()
            if reason.startswith("Input files updated by another job"):
                following.append(job)
            else:
                yield job
                yield from (f"    {text}" for text in reasons(reason))
            job = ""
    if empty:
        yield "Nothing would run."
    elif following:
        yield "These jobs follow:"
        yield from (f"    {name}" for name in following)


def reasons(text: str) -> list[str]:
    """Return a job's reason in short lines: changed settings and code by key, other reasons unchanged."""
    head, marker, tail = text.partition("Union of exclusive params before and now across all output:")
    if not marker:
        return [text]
    before, _, now = tail.partition(" now: ")
    old, new = values(before), values(now)
    lines = []
    for value in old:
        same_kind = [other for other in new if set(flat(other)) & set(flat(value))]
        lines += differences(value, same_kind[0] if same_kind else {})
        new = [other for other in new if other not in same_kind[:1]]
    for value in new:
        lines += differences({}, value)
    other = head.replace("Params have changed since last execution:", "").strip(" ;")
    return lines + ([other] if other else [])


def values(text: str) -> list[dict[str, JsonValue]]:
    """Return the params in a list of Python literals. A param that is no JSON object becomes `content`."""
    params = []
    for literal in LITERAL.findall(text):
        value = ast.literal_eval(literal)
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        params.append(parsed if isinstance(parsed, dict) else {"content": parsed})
    return params


def flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Return the leaves of nested mappings by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, below in value.items()
        for key, leaf in flat(below, f"{path}.{name}" if path else name).items()
    }


def differences(old: dict[str, JsonValue], new: dict[str, JsonValue]) -> list[str]:
    """Return a line per key that differs, with its old and new value."""
    before, now = flat(old), flat(new)
    return [
        f"{key}: {json.dumps(before[key]) if key in before else 'none'} -> "
        f"{json.dumps(now[key]) if key in now else 'removed'}"
        for key in sorted(before | now)
        if key not in before or key not in now or before[key] != now[key]
    ]
