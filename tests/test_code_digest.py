"""The digest of a step's code: changed by what can change a result, and by nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rabbithole import code_digest as module


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a small package in the place of the real one, and forget it afterwards."""
    folder = tmp_path / "src/rabbithole"
    (folder / "room").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "room/__init__.py").write_text("")
    (folder / "room/step.py").write_text(
        '"""Do it."""\nimport numpy\nfrom rabbithole.room import helper\n\n'
        "def step():\n    return helper.help()\n"
    )
    (folder / "room/helper.py").write_text("def help():\n    return 1\n")
    (folder / "room/other.py").write_text("x = 1\n")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/base.in").write_text("numpy==1.0\nscipy==1.0\n")
    monkeypatch.setattr(module, "PACKAGE", folder)
    monkeypatch.setattr(module, "REQUIREMENTS", tmp_path / "requirements")
    forget()
    yield folder
    forget()


def forget() -> None:
    module._module.cache_clear()
    module.pins.cache_clear()


def digest() -> str:
    forget()
    return module.code_digest("rabbithole.room.step")


def test_layout_comments_and_docstrings_do_not_count(package: Path) -> None:
    before = digest()
    (package / "room/step.py").write_text(
        "# A comment.\nimport numpy\n\n\nfrom rabbithole.room import helper\n\n"
        'def step():\n    """Say what."""\n    return (helper.help())\n'
    )
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "text", "counts"),
    [
        ("room/helper.py", "def help():\n    return 2\n", True),
        ("room/other.py", "x = 2\n", False),
        ("../../requirements/base.in", "numpy==2.0\nscipy==1.0\n", True),
        ("../../requirements/base.in", "numpy==1.0\nscipy==2.0\n", False),
    ],
)
def test_what_is_imported_counts_and_nothing_else(package: Path, file: str, text: str, counts: bool) -> None:
    before = digest()
    (package / file).write_text(text)
    assert (digest() != before) == counts


def test_one_model_is_not_in_the_digest_of_another() -> None:
    root = module.PACKAGE.parents[1]
    assert (root / "requirements/base.in").exists()
    for name, other in (("gru", "dilated_conv"), ("dilated_conv", "gru")):
        found = closure("rabbithole.training.train", f"rabbithole.models.{name}")
        assert f"rabbithole.models.{name}" in found
        assert f"rabbithole.models.{other}" not in found
        assert not any(name.startswith("rabbithole.config") for name in found)
        assert not any(name.startswith("rabbithole.cli") for name in found)


def closure(*names: str) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [below for below in module._module(name)[1] if below.startswith("rabbithole")]
    return found


def test_the_whole_package_is_understood(tmp_path: Path) -> None:
    """No import of this package is missed because of how it is written."""
    shutil.copytree(module.PACKAGE, tmp_path / "rabbithole")
    for path in (tmp_path / "rabbithole").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "from ." not in text, f"{path}: relative imports escape the digest"
