"""The versions that the project pins."""

import re
from functools import cache
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
FILES = ("core.in", "dev.in", "jax-cuda.in", "cpu.txt", "cuda.txt")


@cache
def pinned_versions() -> dict[str, str]:
    """Return the exact versions that the project pins, by distribution; several are joined."""
    versions: dict[str, set[str]] = {}
    for path in (REQUIREMENTS / name for name in FILES):
        text = path.read_text("utf-8") if path.exists() else ""
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;\\]+)", text, re.MULTILINE):
            versions.setdefault(name.lower(), set()).add(version)
    return {name: ", ".join(sorted(several)) for name, several in versions.items()}
