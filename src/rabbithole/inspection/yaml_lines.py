"""Lines of YAML with comments. PyYAML quotes the values. Comments hold no control character."""

import textwrap
from collections.abc import Sequence

import yaml

from rabbithole.errors import printable

WIDTH = 110


class YamlLines:
    """Lines of a YAML file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def comment(self, depth: int, text: str) -> None:
        """Add a comment, on as many lines as it needs."""
        indent = "  " * depth + "# "
        wrapped = textwrap.wrap(
            printable(text), WIDTH - len(indent), break_long_words=False, break_on_hyphens=False
        )
        self.lines += [indent + line for line in wrapped]

    def key(self, depth: int, name: str, value: object = None, note: str = "", *, off: bool = False) -> None:
        """Add a key, with its value unless it is None, and a note behind it, or before it if it is long.

        off: as a comment, which a reader may make a key.
        """
        line = f"{scalar(name)}:" + ("" if value is None else f" {scalar(value)}")
        line = "  " * depth + ("# " if off else "") + line
        note = printable(note)
        if note and len(line) + len(note) + 4 > WIDTH:
            self.comment(depth, note)
            note = ""
        self.lines.append(line + (f"  # {note}" if note else ""))

    def text(self) -> str:
        """Return the file."""
        return "\n".join(self.lines) + "\n"


def scalar(value: object) -> str:
    """Return a value in YAML on one line: a text, a number, or a list or mapping of them."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def names(columns: Sequence[str]) -> object:
    """Return names of columns as the settings take them: one or a list, numbers as numbers."""
    listed: list[object] = [int(name) if name.isdecimal() else name for name in columns]
    return listed[0] if len(listed) == 1 else listed
