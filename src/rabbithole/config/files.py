"""The config files as the user wrote them: mistakes that are lost once they are read and merged."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rabbithole.errors import UserError

MERGE_KEY = "<<"
"""YAML's own key that takes over another mapping; it may stand there several times."""

NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

OTHER_BASE = re.compile(r"[-+]?0[0-7_]+|.*:.*")
"""Numbers that YAML 1.1 counts by eights or sixties: 010 is 8, and 1:30 is 90."""


def refuse_misread_files(files: Sequence[str | Path]) -> None:
    """Raise `UserError` for what YAML would read as something else than it looks, without a word.

    That is a key that a section holds twice, a key that is no text, and a number such as 010.
    """
    for file in files:
        try:
            # A pipe can be read once alone, which Snakemake has done.
            text = Path(file).read_text("utf-8") if Path(file).is_file() else ""
            root = yaml.compose(text, yaml.SafeLoader)
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            # Snakemake refuses such a file with a message of its own.
            continue
        for line, problem in _misread(root, set()):
            raise UserError(f"{file}:{line}: {problem}")


def _misread(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Yield the line, from 1, and the problem of each node. seen: nodes that need no second look."""
    if node is None or id(node) in seen:
        return
    # An alias is its node again: a handful of them can stand for millions of nodes, or for a node in itself.
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if node.tag in NUMBER_TAGS and OTHER_BASE.fullmatch(node.value):
            yield (
                node.start_mark.line + 1,
                f"YAML does not read {node.value} as a decimal number. Write it without a leading zero or a "
                "colon, or in quotes if it is text.",
            )
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _misread(item, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value != MERGE_KEY:
                if key.tag != "tag:yaml.org,2002:str":
                    kind = key.tag.rpartition(":")[2]
                    yield line, f"YAML reads the key {key.value} as {kind}, not as text: put it in quotes."
                if key.value in lines:
                    yield (
                        line,
                        f"the key {key.value!r} stands in the same section twice (first in line "
                        f"{lines[key.value]}). Merge the two, or remove one.",
                    )
                lines.setdefault(key.value, line)
            yield from _misread(value, seen)


def refuse_empty_sections(overlay: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise `UserError` for a `{}` in the user's settings where the merged settings hold a value.

    Snakemake merges section by section, so `source: {}` would leave the value that stood there before.
    """
    for key in _empty_sections(overlay, config):
        raise UserError(
            f"{key}: given {{}}, an empty section, which sets nothing. Give a value, or remove it."
        )


def _empty_sections(overlay: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in overlay.items():
        if not isinstance(value, Mapping):
            continue
        below = config.get(name)
        if isinstance(below, Mapping):
            yield from (f"{name}.{key}" for key in _empty_sections(value, below))
        elif not value and below is not None:
            yield str(name)
