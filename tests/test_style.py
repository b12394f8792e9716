"""What CONTRIBUTING.md says of files and docstrings, and no tool checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

from workflow_runs import ROOT

MAX_LINES = 350

FILES = [
    file
    for folder in ("src", "rules", "benchmarks", "tests")
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in (".py", ".smk")
]


def test_no_file_of_code_is_long() -> None:
    lines = {file: len(file.read_text("utf-8").splitlines()) for file in FILES}
    assert len(lines) > 400
    assert {str(file): count for file, count in lines.items() if count > MAX_LINES} == {}


def first_lines(file: Path) -> Iterator[str]:
    """Yield the first line of each docstring of a file."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (ast.get_docstring(node) or "").splitlines()[:1]


def test_the_first_line_of_a_docstring_is_a_full_sentence() -> None:
    lines = [(str(file), line) for file in FILES if file.suffix == ".py" for line in first_lines(file)]
    assert len(lines) > 2000
    assert [entry for entry in lines if not entry[1].endswith((".", "?", ":"))] == []
