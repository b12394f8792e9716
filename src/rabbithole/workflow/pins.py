"""The versions that the project pins, and those that a run uses."""

import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
FILES = ("core.in", "dev.in", "jax-cuda.in", "cpu.txt", "cuda.txt")

MAIN_LIBRARIES = {
    "rabbithole": "Rabbithole",
    "snakemake": "Snakemake",
    "pyspark": "Spark",
    "pyarrow": "Arrow",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "jax": "JAX",
    "flax": "Flax",
    "scikit-learn": "scikit-learn",
    "matplotlib": "Matplotlib",
}
"""Distributions whose versions the report names, with their names there."""


@cache
def pinned_versions() -> dict[str, str]:
    """Return the exact versions that the project pins, by distribution; several are joined."""
    versions: dict[str, set[str]] = {}
    for path in (REQUIREMENTS / name for name in FILES):
        text = path.read_text("utf-8") if path.exists() else ""
        for name, pin in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;\\]+)", text, re.MULTILINE):
            versions.setdefault(name.lower(), set()).add(pin)
    return {name: ", ".join(sorted(several)) for name, several in versions.items()}


def versions_in_use() -> dict[str, str]:
    """Return the versions of Python and of the main libraries, by name.

    The installed version counts. A library that this environment lacks ran in the environment of another
    rule (`--sdm conda`), which has the pinned version.
    """
    versions = {"Python": platform.python_version()}
    for distribution, name in MAIN_LIBRARIES.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            if pinned := pinned_versions().get(distribution):
                versions[name] = pinned
    return versions
