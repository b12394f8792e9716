"""The config files as the user wrote them: mistakes that are lost once they are read and merged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rabbithole.errors import UserError

MERGE_KEY = "<<"
"""YAML's own key that takes over another mapping; it may stand there several times."""


def refuse_repeated_keys(files: Sequence[str | Path]) -> None:
    """Raise `UserError` for a key that a section of a YAML or JSON file holds twice.

    YAML would keep the last one alone, and lose the section of the first without a word.
    """
    for file in files:
        try:
            text = Path(file).read_text("utf-8")
            repeated = list(_repeated(yaml.compose(text, yaml.SafeLoader)))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            # Snakemake refuses such a file with a message of its own.
            continue
        if repeated:
            key, first, line = repeated[0]
            raise UserError(
                f"{file}:{line}: the key {key!r} stands in the same section twice (first in line {first}). "
                "Merge the two, or remove one."
            )


def _repeated(node: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Yield each repeated key, the line of the first one, and its own line, from 1."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value != MERGE_KEY:
                if key.value in lines:
                    yield key.value, lines[key.value], line
                lines.setdefault(key.value, line)
            yield from _repeated(value)


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
