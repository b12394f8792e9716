"""What to show of a failure: the step's own words, or the end of its log."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

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

CONFIG_SUFFIXES = (".yaml", ".yml", ".json")

YAML_TROUBLES = {
    "'\\t'": "the line is indented with a tab, and YAML takes spaces alone",
    "mapping values are not allowed": "a colon stands where no key can be. Indent the line as its "
    "neighbours, and put a text with a colon in quotes",
    "<block end>": "the line does not fit the section around it. Check its indentation and its quotes",
    "end of stream": "a quote or a bracket is never closed",
    "could not find expected ':'": "a key lacks its colon, in this line or the one before it",
    "expected ',' or": "a bracket is not closed, or a comma is missing",
    "cannot start any token": "a text that begins with a special character must stand in quotes",
    "expected alphabetic": "a text that begins with * or & must stand in quotes",
    "unknown escape": "a backslash stands in double quotes, where it has a meaning: use single quotes",
}
"""What the parser of YAML says of a file, and what that means."""

OF_CONFIG_FILES = re.compile(r"load_configfile|update_config|Config file|[Pp]athvars")
"""What Snakemake's exceptions hold where a config file is wrong: it reads them before our checks."""

PATHVARS_TROUBLE = "`pathvars` must be a section of names and paths, such as {results: my/results}"

OWN_RECORD = re.compile(r"Error: \[Errno \d+\] (?P<reason>[^:\n]*): '(?P<path>[^']*/\.snakemake/[^']*)'")
"""An error of the system about a file of Snakemake's own, below the folder where it runs."""

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


def plain(text: str, arguments: list[str]) -> str:
    """Return an exception's text without names of classes, stack traces and Snakemake's file names.

    arguments: Snakemake's, which name the files where the trouble is a config file.
    """
    if OF_CONFIG_FILES.search(text):
        files = {name: f"--configfile {name}" for name in config_files(arguments)}
        if Path(OWN_CONFIG).exists():
            files.setdefault(OWN_CONFIG, OWN_CONFIG)
        for name, place in files.items():
            if trouble := config_trouble(name, place):
                return trouble
    if "sourcecache.py" in text and "makedirs" in text:
        place = " ".join(re.findall(r"'([^']*)'", text)[-1:])
        return f"Snakemake can't write its cache ({place}): set XDG_CACHE_HOME to another folder."
    if record := OWN_RECORD.search(text):
        return (
            f"Snakemake can't write {record['path']} ({record['reason']}). It keeps records where it runs, "
            "even in a dry run: copy the folder to a place of your own."
        )
    lines = [line for line in text.splitlines() if not TRACE_LINE.match(line)]
    if len(lines) > 1 and CLASS_LINE.match(lines[0]):
        lines = lines[1:]
    if TRACE in text:
        # The exception itself stands after the trace, and is not indented.
        lines = [line for line in lines if line[:1].strip()][1:]
    return "\n".join(lines).removeprefix("Error: ").strip()


def config_files(arguments: list[str]) -> list[str]:
    """Return the values of --configfile: all words up to the next option, as Snakemake takes them."""
    files, taking = [], False
    for word in arguments:
        if word.startswith("-"):
            option, _, value = word.partition("=")
            taking = option in ("--configfile", "--configfiles")
            files += [value] if taking and value else []
        elif taking:
            files.append(word)
    return files


def yaml_trouble(problem: str) -> str:
    """Return what is wrong with a line of YAML, in a user's words. problem: the parser's."""
    for words, trouble in YAML_TROUBLES.items():
        if words in problem:
            return f"this is no valid YAML: {trouble}"
    return f"this is no valid YAML ({problem})"


def config_trouble(name: str, place: str) -> str | None:
    """Return what is wrong with a config file, and what to do; None if it can be read.

    place: how the message names the file.
    """
    try:
        settings = yaml.safe_load(Path(name).read_text("utf-8"))
        if not isinstance(settings, dict):
            trouble = "there are no settings in it"
        elif holds_itself(settings):
            trouble = "an alias (*) stands in the section that it stands for, so the settings have no end"
        elif not all(isinstance(text, str) for pair in _pathvars(settings) for text in pair):
            trouble = PATHVARS_TROUBLE
        else:
            return None
    except FileNotFoundError:
        trouble = "there is no such file"
    except OSError as error:
        trouble = str(error.strerror)
    except UnicodeDecodeError:
        trouble = "this is no text file"
    except RecursionError:
        trouble = "its sections or brackets nest too deep"
    except ValueError as error:
        # Python reads no number of thousands of digits, and no date such as 2024-02-30.
        trouble = f"a value in it can't be read ({error})"
    except yaml.YAMLError as error:
        if mark := getattr(error, "problem_mark", None):
            place = f"{place}:{mark.line + 1}"
        trouble = yaml_trouble(str(getattr(error, "problem", error)))
    advice = ""
    if Path(name).suffix not in CONFIG_SUFFIXES:
        advice = f" If {name} is a target, write it before --configfile, or after `--`."
    return f"{place}: {trouble}.{advice}"


def holds_itself(value: Any) -> bool:
    """Return whether sections or lists of YAML hold themselves, as aliases may."""
    above: set[int] = set()
    ended: set[int] = set()

    def visit(part: Any) -> bool:
        if not isinstance(part, dict | list) or id(part) in ended:
            return False
        if id(part) in above:
            return True
        above.add(id(part))
        repeated = any(map(visit, part.values() if isinstance(part, dict) else part))
        above.remove(id(part))
        ended.add(id(part))
        return repeated

    return visit(value)


def _pathvars(settings: dict[str, Any]) -> Iterable[tuple[Any, Any]]:
    """Return the names and paths of a config file's `pathvars`; a pair without a text if it is no section."""
    pathvars = settings.get("pathvars") or {}
    return pathvars.items() if isinstance(pathvars, dict) else [(pathvars, None)]


def _shown(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, if it lies below it."""
    absolute = path.absolute()
    return str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)
