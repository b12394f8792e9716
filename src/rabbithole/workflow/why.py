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
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rabbithole.errors import UserError
from rabbithole.workflow.project import find_project

LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
JOB = re.compile(r"^(?:Job \d+: (?P<message>.*)|(?:local)?(?:rule|checkpoint) (?P<rule>\w+):)$")
FEW = 3
"""Jobs of a group that are named."""

FOLLOWS, MISSING = "Input files updated by another job", "Missing output files: "
"""How Snakemake begins these reasons."""

REASON = re.compile(r"^\s*[Rr]eason: (?P<reason>.*)$")


@dataclass(frozen=True)
class PlannedJob:
    """A job of a dry run. reasons: lines, empty for a job that only follows others."""

    name: str
    reasons: tuple[str, ...]


def why(arguments: list[str], *, list_jobs: bool = False) -> Iterator[str]:
    """Yield lines that say what would run and why, grouped by reason.

    The arguments are passed on to Snakemake, which runs in the project of the present folder. Raises
    `UserError` with Snakemake's own message when the dry run fails, and when there is no project.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor"]
    if not {"-s", "--snakefile"} & set(arguments):
        here = Path.cwd()
        project = find_project(here)
        command += ["--snakefile", str(project / "Snakefile")]
        if project in here.parents:
            command += ["--directory", str(project)]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if run.returncode:
        raise UserError("the dry run failed:\n" + (run.stdout + run.stderr)[-4000:].strip())
    yield from explain(run.stdout + run.stderr, list_jobs=list_jobs)


def explain(dry_run: str, *, list_jobs: bool = False) -> Iterator[str]:
    """Yield one group of lines per reason, with its number of jobs; jobs that only follow come last."""
    jobs = list(planned_jobs(dry_run))
    if not jobs:
        yield "Nothing would run."
        return
    groups: dict[tuple[str, ...], list[PlannedJob]] = {}
    for job in jobs:
        groups.setdefault(job.reasons, []).append(job)
    following = groups.pop((), [])
    for lines, members in groups.items():
        if len(lines) == 1:
            yield f"{lines[0]}: {_count(members)}"
        else:
            yield _count(members)
            yield from (f"    {line}" for line in lines)
        yield from _names(members, list_jobs)
    if following:
        yield f"These follow: {_count(following)}"
        yield from _names(following, list_jobs)


def _count(jobs: list[PlannedJob]) -> str:
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}"


def _names(jobs: list[PlannedJob], every: bool) -> Iterator[str]:
    shown = jobs if every else jobs[:FEW]
    yield from (f"    {job.name}" for job in shown)
    if len(shown) < len(jobs):
        yield f"    and {len(jobs) - len(shown)} more (`rabbithole -v why` lists them)"


def planned_jobs(dry_run: str) -> Iterator[PlannedJob]:
    """Yield the jobs of a dry run with their reasons."""
    job = ""
    for line in dry_run.splitlines():
        if match := JOB.match(line):
            job = match["message"] or match["rule"]
        elif job and (match := REASON.match(line)):
            yield PlannedJob(job, tuple(reasons(match["reason"].strip())))
            job = ""


def reasons(text: str) -> list[str]:
    """Return a job's reason in short lines: changed settings and code by key, other reasons unchanged."""
    if text.startswith(FOLLOWS):
        return []
    text = text.partition(f"; {FOLLOWS}")[0]
    if text.startswith(MISSING):
        return [newest(text.removeprefix(MISSING).split("; ")[0].split(", "))]
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


def newest(missing: list[str]) -> str:
    """Return what is new where outputs are missing: a data set, a model or a seed, by their folders."""
    path = Path(missing[0].strip())
    for folder in reversed(path.parents):
        if not folder.exists() and folder.parent.exists() and folder.parent != Path():
            if folder.name.startswith("seed-"):
                return f"seed {folder.name.removeprefix('seed-')} is new"
            if folder.parent.name == "results":
                return f"{folder.name} is new"
            return f"{folder.name} of {folder.parent.name} is new"
    return "results are missing"


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
