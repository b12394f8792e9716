"""The config files as the user wrote them: mistakes that are lost once they are read and merged."""

import json
import re
from collections import Counter
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


def refuse_slips(files: Sequence[str | Path]) -> None:
    """Raise `UserError` for the first text that YAML reads as something else than it looks like.

    YAML itself says nothing of these slips; `CHECKS` names them.
    """
    for file in files:
        try:
            # A pipe can be read only once, and Snakemake has read it.
            text = Path(file).read_text("utf-8") if Path(file).is_file() else ""
            slips = _slips(text)
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            # Snakemake refuses such a file with a message of its own.
            continue
        for line, problem in slips:
            raise UserError(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")


def _slips(text: str) -> list[tuple[int, str]]:
    """Return the slips in a config file: line, 0 where it is not known, and what is wrong.

    Snakemake reads JSON too. Some of it is no YAML: that with tabs, or with `\\/` in a text.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        slips: list[tuple[int, str]] = []

        def check(pairs: list[tuple[str, Any]]) -> None:
            counts = Counter(key for key, _ in pairs)
            slips.extend((0, _repeated(key, "")) for key, count in counts.items() if count > 1)

        json.loads(text, object_pairs_hook=check)
        return slips
    return sorted(slip for node in _nodes(root) for check in CHECKS for slip in check(node))


def _repeated(key: str, first: str) -> str:
    return f"the key {key!r} stands in the same section twice{first}. Merge the two, or remove one."


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield each node of a file once.

    An alias is its node again: a handful of them can stand for millions of nodes, or for a node in itself.
    """
    todo, seen = [root], set[int]()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            todo += [value for _, value in node.value]


def _keys(node: yaml.Node) -> list[yaml.ScalarNode]:
    """Return the keys of a section, in their order; none for another node."""
    keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return [key for key in keys if isinstance(key, yaml.ScalarNode) and key.value != MERGE_KEY]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _odd_number(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if node.tag in NUMBER_TAGS and OTHER_BASE.fullmatch(node.value):
        yield (
            _line(node),
            f"YAML does not read {node.value} as a decimal number. Write it without a leading zero or a "
            "colon, or in quotes if it is text.",
        )


def _odd_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    for key in _keys(node):
        if key.tag != "tag:yaml.org,2002:str":
            kind = key.tag.rpartition(":")[2]
            yield _line(key), f"YAML reads the key {key.value} as {kind}, not as text: put it in quotes."


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    for key in _keys(node):
        if key.value in lines:
            yield _line(key), _repeated(key.value, f" (first in line {lines[key.value]})")
        lines.setdefault(key.value, _line(key))


CHECKS = (_odd_number, _odd_keys, _repeated_keys)
"""A number such as 010, a key that is no text, and a key that a section holds twice: by line, from 1."""


def refuse_texts_on_command_line(values: Mapping[str, Any]) -> None:
    """Raise `UserError` for a value after --config that Snakemake reads as text, and a config file would not.

    It reads all values inside sections and lists so, and `null`. Where a setting takes text, such as the path
    of a file, the workflow would look for a file called null.

    values: of --config alone.
    """
    for key, text in _texts(values):
        try:
            meant = yaml.safe_load(text)
        except (ValueError, RecursionError, yaml.YAMLError):
            continue
        if meant is None or isinstance(meant, int | float):
            raise UserError(
                f"{key}: after --config, Snakemake reads {text or 'an empty value'} as text here. Write the "
                "setting into a file: --configfile FILE."
            )


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each text with the path of its key. Paths of `pathvars`, Snakemake's own key, are text."""
    todo = [(name, value) for name, value in values.items() if name != "pathvars"]
    seen = set[int]()
    for key, value in todo:
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, Mapping | list) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            todo += [(f"{key}.{name}", below) for name, below in items]


def refuse_empty_sections(overlay: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise `UserError` for a `{}` in the user's settings where the merged settings hold a value.

    Snakemake merges section by section, so `source: {}` would leave the value that stood there before.
    """
    for key in _empty_sections(overlay, config, set()):
        raise UserError(
            f"{key}: given {{}}, an empty section, which sets nothing. Give a value, or remove it."
        )


def _empty_sections(
    overlay: Mapping[str, Any], config: Mapping[str, Any], seen: set[tuple[int, int]]
) -> Iterator[str]:
    # With aliases of YAML, one section may stand in millions of places, or in itself.
    if (id(overlay), id(config)) in seen:
        return
    seen.add((id(overlay), id(config)))
    for name, value in overlay.items():
        if not isinstance(value, Mapping):
            continue
        below = config.get(name)
        if isinstance(below, Mapping):
            yield from (f"{name}.{key}" for key in _empty_sections(value, below, seen))
        elif not value and below is not None:
            yield str(name)
