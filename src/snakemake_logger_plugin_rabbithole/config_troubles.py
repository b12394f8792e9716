"""What is wrong with a config file, or with the settings on the command line, in a user's words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIG_SUFFIXES = (".yaml", ".yml")
"""How config files end. Snakemake also reads JSON, but a result is more often meant as a target."""

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
    "another document": "a line of three dashes begins a second document. Merge the two into one",
    "unknown escape": "a backslash stands in double quotes, where it has a meaning: use single quotes",
}
"""What the parser of YAML says of a file, and what that means."""

PATHVARS_TROUBLE = "`pathvars` must be a section of names and paths, such as {results: my/results}"


def config_files(arguments: list[str]) -> list[str]:
    """Return the values of --configfile."""
    return option_values(arguments, "--configfile", "--configfiles")


def option_values(arguments: list[str], *names: str) -> list[str]:
    """Return the values of an option: all words up to the next option, as Snakemake takes them."""
    values, taking = [], False
    for word in arguments:
        if word.startswith("-"):
            option, _, value = word.partition("=")
            taking = option in names
            values += [value] if taking and value else []
        elif taking:
            values.append(word)
    return values


def pathvars_trouble(entries: list[str]) -> str | None:
    """Return what is wrong with the `pathvars` among the words after --config; None if nothing is."""
    for entry in entries:
        name, _, value = entry.partition("=")
        if name == "pathvars" and not _is_pathvars(yaml.safe_load(value)):
            return f"--config {entry}: {PATHVARS_TROUBLE}."
    return None


def yaml_trouble(problem: str) -> str:
    """Return what is wrong with a line of YAML, in a user's words. problem: the parser's."""
    for words, trouble in YAML_TROUBLES.items():
        if words in problem:
            return f"this is no valid YAML: {trouble}"
    return f"this is no valid YAML ({problem})"


def config_trouble(path: Path, place: str) -> str | None:
    """Return what is wrong with a config file, and what to do; None if it can be read.

    place: how the message names the file.
    """
    try:
        settings = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(settings, dict):
            trouble = "there are no settings in it"
        elif holds_itself(settings):
            trouble = "an alias (*) stands in the section that it stands for, so the settings have no end"
        elif not _is_pathvars(settings.get("pathvars")):
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
    return f"{place}: {trouble}. {target_advice([path])}".rstrip()


def target_advice(files: Sequence[str | Path]) -> str:
    """Return what to do about the first config file that may be meant as a target; empty if none may."""
    for path in map(Path, files):
        if path.suffix not in CONFIG_SUFFIXES:
            return f"If {path.name} is a target, write it before --configfile, or after `--`."
    return ""


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


def _is_pathvars(value: Any) -> bool:
    """Return whether a value of `pathvars` is a section of names and paths, or none."""
    if not isinstance(value, dict | None):
        return False
    return all(isinstance(text, str) for pair in (value or {}).items() for text in pair)
