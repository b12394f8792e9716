"""What to show of a failure: the step's own words, or the end of its log."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from snakemake.persistence import MetadataRecord

from snakemake_logger_plugin_rabbithole.config_troubles import (
    config_files,
    config_trouble,
    option_values,
    pathvars_trouble,
)

TAIL_BYTES = 2**16
CRASH_LINES = 8
"""Lines of the log that are shown of a crash."""

OWN_ERROR = re.compile(r"^Error: ", re.MULTILINE)
TRACE = "Traceback (most recent call last)"

SUMMARIES = ("At least one job did not complete successfully", "Exiting because a job execution failed")
"""What Snakemake says in addition to each job's failure."""

COMMAND = re.compile(
    r"Command '(?P<shell>.*)' (?P<cause>returned non-zero exit status \d+|died with .*)", re.S
)
KILLED = re.compile(r"exit status (?:137|-9)\b|SIGKILL")

MEMORY_LIMIT = re.compile(r"exceeded (?:job )?memory limit|oom[-_ ]kill|out[-_ ]of[-_ ]memory", re.I)
TIME_LIMIT = re.compile(r"due to time limit", re.I)
"""What Slurm writes into the log of a job that it kills."""

OWN_CONFIG = "config.yaml"
"""The workflow's own settings, read where it is started."""

OF_CONFIG_FILES = re.compile(r"load_configfile|update_config|Config file|[Pp]athvars")
"""What Snakemake's exceptions hold where a config file is wrong: it reads them before our checks."""

BAD_ENTRY = re.compile(r"Invalid config definition: (?P<reason>.*?)\.?$", re.MULTILINE)
"""What Snakemake says of a word after --config that is no setting."""

WRITE_PROTECTED = re.compile(r"Write-protected output files .*affected files:\s*(?P<file>\S+)", re.S)
"""What Snakemake says of results that may not be written, in a dry run too."""

FROM_THE_FUTURE = re.compile(
    r"older modification time \(.*\) than input (?P<file>.*) \((?P<time>[-\d]+ [\d:]+)"
)
"""What Snakemake says of a file that was written after the present time of the clock."""

NO_RULE = re.compile(r"No rule to produce (?P<target>\S+)")
"""What Snakemake says of a target that it does not know."""

OWN_RECORD = re.compile(r"Error: \[Errno \d+\] (?P<reason>[^:\n]*): '(?P<path>[^']*/\.snakemake/[^']*)'")
"""An error of the system about a file of Snakemake's own, below the folder where it runs."""

OF_SYSTEM = re.compile(r"^\w*Error: \[Errno \d+\] (?P<reason>[^:\n]*): '(?P<path>[^'\n]+)'$", re.MULTILINE)
"""An error of the system about any other file."""

NO_FOLDER = ("Not a directory", "File exists", "Too many levels of symbolic links")
"""What the system says where a file, or a link to nothing, stands in the place of a folder."""

TRACE_LINE = re.compile(r'^ +File ".*", line \d+(?:, in .*)?$')
CLASS_LINE = re.compile(r"^\w*(?:Error|Exception)(?: in .*)?:$")


class FailedCommand(NamedTuple):
    """A shell command that failed, and how."""

    shell: str
    cause: str


@dataclass(frozen=True)
class Reason:
    """Why a job failed. text: what to read, in lines; log: where all is, None where the rule has no log."""

    text: list[str]
    log: str | None


@dataclass(frozen=True)
class FailedJob:
    """A job that failed, as Snakemake reports it. message: what its executor says, empty for a local job."""

    id: int
    logs: list[str]
    shell: str
    message: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Return the job of a JOB_ERROR event, or of an entry of a GROUP_ERROR event."""
        return cls(facts["jobid"], list(facts["log"]), facts["shellcmd"] or "", facts["rule_msg"] or "")


def failed_command(text: str) -> FailedCommand | None:
    """Return the shell command of an exception's text; None for other exceptions."""
    match = COMMAND.search(text)
    return FailedCommand(match["shell"], match["cause"]) if match else None


def is_summary(text: str) -> bool:
    """Return whether a text of Snakemake only says that a job failed."""
    return any(summary in text for summary in SUMMARIES)


def failure(
    jobs: Sequence[FailedJob], logs: Sequence[str], failed_commands: Mapping[str, str], folder: Path
) -> Reason:
    """Return why jobs failed that ran as one.

    logs: those of their executor; failed_commands: how shell commands failed; folder: where Snakemake was
    started.
    """
    paths = [Path(name) for name in [*(name for job in jobs for name in job.logs), *logs]]
    paths = [path for path in paths if path.exists()]
    for path in paths:
        if text := own_error(tail(path)):
            return Reason(text.splitlines(), _shown(path, folder))
    for path in paths:
        if killed := killed_by_cluster(tail(path)):
            return Reason(killed, _shown(path, folder))
    # The log to read is the last one that was written to.
    log = _shown(max(paths, key=lambda path: path.stat().st_mtime), folder) if paths else None
    shells = [job.shell for job in jobs if job.shell]
    cause = " ".join(
        cause for command, cause in failed_commands.items() if any(shell in command for shell in shells)
    )
    if KILLED.search(cause):
        return Reason(
            [
                "The step was killed. Most often the machine had too little memory:",
                "free some, or run fewer steps at once (a smaller --cores).",
            ],
            log,
        )
    said = [job.message for job in jobs if job.message]
    lines = [line for path in paths for line in tail(path).splitlines() if line.strip()][-CRASH_LINES:]
    if not lines:
        return Reason(said or [f"The step left no message ({cause or 'its cause is unknown'})."], log)
    return Reason([*said, "This is no mistake that the step knows of. Its log ends with:", *lines], log)


def tail(path: Path) -> str:
    """Return the end of a log."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")


def own_error(text: str) -> str | None:
    """Return the message with which a step of ours ended; None if it ended in another way."""
    messages = list(OWN_ERROR.finditer(text))
    if not messages or TRACE in text[messages[-1].end() :]:
        return None
    return text[messages[-1].end() :].strip()


def killed_by_cluster(text: str) -> list[str]:
    """Return that a cluster killed the job for its memory or its time, and its own line; empty otherwise."""
    for pattern, resource, key in ((MEMORY_LIMIT, "memory", "mem_mb"), (TIME_LIMIT, "time", "runtime")):
        for line in text.splitlines():
            if pattern.search(line):
                return [
                    f"The cluster killed the job: it needed more {resource} than it asked for ({key}).",
                    line.strip(),
                ]
    return []


def plain(text: str, arguments: list[str], folder: Path = Path()) -> str:
    """Return an exception's text without names of classes, stack traces and Snakemake's file names.

    arguments: Snakemake's, which name the files where the trouble is a config file; folder: where it was
    started.
    """
    if entry := BAD_ENTRY.search(text):
        return f"--config: {entry['reason']}. Settings inside a section go into a file: --configfile FILE."
    if OF_CONFIG_FILES.search(text):
        files = {folder / name: f"--configfile {name}" for name in config_files(arguments)}
        if Path(OWN_CONFIG).exists():
            files.setdefault(Path(OWN_CONFIG), OWN_CONFIG)
        for path, place in files.items():
            if trouble := config_trouble(path, place):
                return trouble
        if trouble := pathvars_trouble(option_values(arguments, "--config", "-C")):
            return trouble
    if "sourcecache.py" in text and "makedirs" in text:
        place = " ".join(re.findall(r"'([^']*)'", text)[-1:])
        return f"Snakemake can't write its cache ({place}): set XDG_CACHE_HOME to another folder."
    if protected := WRITE_PROTECTED.search(text):
        return (
            f"{protected['file']} is write-protected, and would be written again. Make the results writable, "
            "or copy the folder to a place of your own."
        )
    if record := OWN_RECORD.search(text):
        return (
            f"Snakemake can't write {record['path']} ({record['reason']}). It keeps records where it runs, "
            "even in a dry run: copy the folder to a place of your own."
        )
    if future := FROM_THE_FUTURE.search(text):
        return (
            f"{future['file']} was written at {future['time']}, which is yet to come: a clock went back, or "
            "is wrong. Give all such files one time: find results -newermt now -exec touch -d now {} +"
        )
    if unknown := NO_RULE.search(text):
        return (
            f"{unknown['target'].rstrip('.')} is neither a target nor a file that a step makes with these "
            "settings. docs/reference/targets.md lists the targets."
        )
    if TRACE in text and (damaged := damaged_record(Path(".snakemake"))):
        return f"{damaged}: this record of Snakemake's is damaged. Delete it."
    lines = [line for line in text.splitlines() if not TRACE_LINE.match(line)]
    if len(lines) > 1 and CLASS_LINE.match(lines[0]):
        lines = lines[1:]
    if TRACE in text:
        # The exception itself stands after the trace, and is not indented.
        lines = [line for line in lines if line[:1].strip()][1:]
    message = "\n".join(lines).removeprefix("Error: ").strip()
    if error := OF_SYSTEM.search(message):
        blocked = _no_folder(folder / error["path"]) if error["reason"] in NO_FOLDER else None
        if blocked is not None:
            return f"{blocked} is in the way: there must be a folder. Move it away."
        return f"{error['path']}: {error['reason']}."
    return message


def _no_folder(path: Path) -> Path | None:
    """Return the first of a path and the folders above it that is there and no folder; None if none is."""
    return next(
        (place for place in (*reversed(path.parents), path) if os.path.lexists(place) and not place.is_dir()),
        None,
    )


def damaged_record(folder: Path) -> Path | None:
    """Return the first record below Snakemake's folder that it can't use; None if there is none.

    It passes over a file that is no JSON, but not over one that is no text or holds other values.
    """
    for path in sorted(folder.glob("metadata/**/*")) + sorted(folder.glob("incomplete/**/*")):
        try:
            record = json.loads(path.read_text("utf-8")) if path.is_file() else {}
            if record:
                # A mapping of its own types; and it joins the parameters as texts.
                ",".join(MetadataRecord.model_validate(record).params or [])
        except (json.JSONDecodeError, OSError):
            continue
        except (ValueError, TypeError, RecursionError):
            return path
    return None


def _shown(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, if it lies below it."""
    absolute = path.absolute()
    return str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)
