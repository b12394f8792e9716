"""Why each job would run: Snakemake's dry run, with settings and code compared key by key.

Snakemake shows a changed param as its whole text before and after. Here these texts are JSON (the spec of a
step, the digests of its code), so the keys that differ can be shown.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.workflow.places import find_snakefile
from snakemake_logger_plugin_rabbithole.errors import own_error, plain

LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
JOB = re.compile(r"^(?:Job \d+: (?P<message>.*)|(?:local)?(?:rule|checkpoint) (?P<rule>\w+):)$")
MAX_NAMED_JOBS = 3
"""Jobs of a group that are named."""

FOLLOWS, MISSING = "Input files updated by another job", "Missing output files: "
PARAMS = "Params have changed since last execution: "
OTHER_INPUTS = "Set of input files has changed since last execution"
"""How Snakemake begins these reasons."""

CODE = "rabbithole."
"""How the keys of digests of code begin: modules of this package."""

PROFILE = "Using workflow specific profile "
"""How the line begins that Snakemake writes first of all."""

REASON = re.compile(r"^\s*[Rr]eason: (?P<reason>.*)$")


@dataclass(frozen=True)
class Change:
    """A key that differs, with its old and new value. names_file: whether they are paths."""

    text: str
    names_file: bool


@dataclass(frozen=True)
class PlannedJob:
    """A job of a dry run. reasons: lines, empty for a job that only follows others."""

    name: str
    reasons: tuple[str, ...]


def why(arguments: list[str], *, list_jobs: bool = False) -> Iterator[str]:
    """Yield lines that say what would run and why, grouped by reason.

    The arguments are passed on to Snakemake, which runs in the project of the present folder. Raises
    `UserError` when there is no project, and with Snakemake's message in plain words when the dry run fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor"]
    folder = Path.cwd()
    if _option(arguments, "--snakefile", "-s") is None:
        folder, snakefile = find_snakefile(folder)
        command += ["--snakefile", str(snakefile), "--directory", str(folder)]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, errors="replace")
    if run.returncode:
        lines = (run.stdout + run.stderr).splitlines()
        output = "\n".join(line for line in lines if not line.startswith(PROFILE))
        reason = output.partition("Building DAG of jobs...")[2] or output
        raise UserError(own_error(reason) or plain(reason[-4000:], arguments))
    folder = Path(_option(arguments, "--directory", "-d") or folder)
    yield from explain(run.stdout + run.stderr, folder, list_jobs=list_jobs)


def _option(arguments: list[str], *names: str) -> str | None:
    """Return the value of a Snakemake option, None if it is not given."""
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            return value if equals else "".join(arguments[number + 1 : number + 2])
    return None


def explain(dry_run: str, folder: Path, *, list_jobs: bool = False) -> Iterator[str]:
    """Yield one group of lines per reason, with its number of jobs; jobs that only follow come last.

    folder: in which the dry run looked for results.
    """
    jobs = list(planned_jobs(dry_run, folder))
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
    shown = jobs if every else jobs[:MAX_NAMED_JOBS]
    yield from (f"    {job.name}" for job in shown)
    if len(shown) < len(jobs):
        yield f"    and {len(jobs) - len(shown)} more (`rabbithole -v why` lists them)"


def planned_jobs(dry_run: str, folder: Path) -> Iterator[PlannedJob]:
    """Yield the jobs of a dry run with their reasons."""
    job = ""
    for line in dry_run.splitlines():
        if match := JOB.match(line):
            job = match["message"] or match["rule"]
        # The rule `all` is no step: it only collects the outputs of others.
        elif job not in ("", "all") and (match := REASON.match(line)):
            yield PlannedJob(job, tuple(reasons(match["reason"].strip(), folder)))
            job = ""


def reasons(text: str, folder: Path) -> list[str]:
    """Return a job's reason in short lines: what is new, changed settings and code by key, other reasons.

    Empty if the job only follows others: then its files changed, or the list of files to read did.
    """
    head, _, tail = text.partition(PARAMS)
    lines, follows = [], False
    for part in filter(None, (part.strip() for part in head.split("; "))):
        if part.startswith(FOLLOWS):
            follows = True
        elif part.startswith(MISSING):
            path = Path(part.removeprefix(MISSING).split(", ")[0])
            if new := new_folder(path, folder):
                return [new]
            lines.append(f"{path} is missing")
        elif part != OTHER_INPUTS:
            lines.append(part)
    if follows:
        lines = []
    # A folder of a new model or seed among the files to read is no reason of its own.
    changes = [change for change in param_changes(tail) if not (follows and change.names_file)]
    lines += [change.text for change in changes]
    return lines or ([] if follows or OTHER_INPUTS not in head else [OTHER_INPUTS])


def new_folder(path: Path, folder: Path) -> str | None:
    """Return what is new where an output is missing: a seed, a model, a data set; None if nothing is."""
    missing = next((parent for parent in reversed(path.parents) if not (folder / parent).exists()), None)
    if missing is None:
        return None
    if missing.parent == Path():
        return "there are no results yet"
    return f"{missing.name.replace('seed-', 'seed ')} is new"


def param_changes(text: str) -> list[Change]:
    """Return the keys that differ between the params before and now, from Snakemake's text on them."""
    before, _, now = text.partition(" now: ")
    old, new = values(before), values(now)
    changes = []
    for value in old:
        same_kind = [other for other in new if set(flat(other)) & set(flat(value))]
        changes += differences(value, same_kind[0] if same_kind else {})
        new = [other for other in new if other not in same_kind[:1]]
    for value in new:
        changes += differences({}, value)
    return changes


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


def differences(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], place: str = "") -> list[Change]:
    """Return the keys that differ, with their old and new values. place: the path of the section."""
    changes = []
    for key in sorted({*old, *new}):
        path = f"{place}.{key}" if place else key
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            changes += differences(before, now, path)
        elif before != now or (key in old) != (key in new):
            sides = [side[key] for side in (old, new) if key in side]
            leaves = [leaf for side in sides for leaf in flat(side).values()]
            text = f"{path}: {_shown(old, key, 'none')} -> {_shown(new, key, 'removed')}"
            if path.startswith(CODE):
                # The digests say nothing to a person.
                text = f"the code {path} {'has changed' if len(sides) == 2 else 'was added or removed'}"
            changes.append(Change(text, all("/" in str(leaf) for leaf in leaves)))
    return changes


def _shown(side: Mapping[str, JsonValue], key: str, missing: str) -> str:
    """Return a value as text, a whole section as its number of keys."""
    value = side.get(key)
    if isinstance(value, dict):
        return f"a section of {plural(len(flat(value)), 'key')}"
    return json.dumps(value) if key in side else missing
