"""The files that the docs tell a reader to write for a model of their own."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


def documented_files(name: str) -> dict[str, str]:
    """Return the files of the page that has a file of this name, by name."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        files = dict(FILE.findall(page.read_text("utf-8")))
        if name in files:
            return files
    raise LookupError(f"no page of the docs has a file {name}")
