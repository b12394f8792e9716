"""Figures of the benchmarks, which `make bench` puts into one table."""

import os
from pathlib import Path

from pydantic import BaseModel

VARIABLE = "RABBITHOLE_FIGURES"
"""Names the file for the figures of a benchmark."""


class Figure(BaseModel):
    """What was measured, and the figure with its unit."""

    name: str
    value: str


def record(name: str, value: str) -> None:
    """Append a figure to the file of this run of `make bench`, if it is one."""
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(Figure(name=name, value=value).model_dump_json() + "\n")


def recorded(path: Path) -> list[Figure]:
    """Return the figures in a file, none where there is no file."""
    if not path.exists():
        return []
    return [Figure.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]
