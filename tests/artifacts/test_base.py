"""A JSON file of another kind, version or shape is refused by name, with the rule that writes it."""

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from workflow_runs import ROOT

from rabbithole import artifacts
from rabbithole.artifacts.base import Artifact
from rabbithole.artifacts.text import BookOrigin
from rabbithole.errors import UserError


def kinds(parent: type[Artifact] = Artifact) -> Iterator[type[Artifact]]:
    """Yield all artifacts of the package; parents of several have no kind."""
    for child in parent.__subclasses__():
        if hasattr(child, "kind"):
            yield child
        yield from kinds(child)


for module in pkgutil.iter_modules(artifacts.__path__):
    importlib.import_module(f"rabbithole.artifacts.{module.name}")


def test_every_artifact_has_a_kind_of_its_own_and_names_a_rule() -> None:
    own = [kind for kind in kinds() if kind.__module__.startswith("rabbithole.")]
    assert len(own) > 30
    assert len({kind.kind for kind in own}) == len(own)
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    rules = {name for file in files for name in re.findall(r"^ *rule (\w+):", file.read_text(), re.MULTILINE)}
    assert {kind.rule for kind in own} <= rules


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "another kind": (lambda values: values | {"kind": "history"}, "is not a book origin of version 1"),
    "another version": (lambda values: values | {"version": 9}, "of version 1: it has version 9"),
    "a changed value": (lambda values: values | {"bytes": 4}, "does not have its checksum"),
    "a further key": (lambda values: {**values, "checksum": None, "more": 1}, "does not fit: more"),
    "another type": (lambda values: {**values, "checksum": None, "bytes": "x"}, "does not fit: bytes"),
    "a list": (lambda values: [values], "is not a book origin of version 1"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_does_not_fit_is_refused_with_what_to_rerun(name: str, tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    BookOrigin(source="a", sha256="b", bytes=3).write(path)
    assert BookOrigin.read(path).bytes == 3
    change, words = CHANGES[name]
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError) as refused:
        BookOrigin.read(path)
    assert all(part in str(refused.value) for part in (str(path), words, "run again: rule book writes it"))


def test_a_missing_or_cut_file_is_refused_with_what_to_rerun(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    with pytest.raises(UserError, match=r"book\.json is missing\. Run again: rule book writes it"):
        BookOrigin.read(path)
    path.write_text('{"kind": "book')
    with pytest.raises(UserError, match=r"book\.json is damaged: it is not JSON.*rule book writes it"):
        BookOrigin.read(path)
