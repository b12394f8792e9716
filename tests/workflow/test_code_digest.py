"""The code digest of a step changes with its code and libraries, but not with comments or other modules."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rabbithole.registry import module_name
from rabbithole.workflow import digests, pins
from rabbithole.workflow import digests as module

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Replace the package by a small one, and return its folder."""
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
    (tmp_path / "requirements/core.in").write_text("numpy==1.0\nscipy==1.0\n")
    monkeypatch.setattr(module, "PACKAGE", folder)
    monkeypatch.setattr(pins, "REQUIREMENTS", tmp_path / "requirements")
    # grimp finds the package by its import path.
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "rabbithole"}
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    clear_caches()
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "rabbithole"]:
        del sys.modules[name]
    sys.modules.update(real)
    clear_caches()


def clear_caches() -> None:
    for function in (module.module_digest, pins.pinned_versions, module.import_graph):
        function.cache_clear()


def digest() -> str:
    clear_caches()
    return module.code_digest("rabbithole.room.step")


def test_layout_comments_and_docstrings_do_not_change_the_digest(package: Path) -> None:
    before = digest()
    (package / "room/step.py").write_text(
        "# A comment.\nimport numpy\n\n\nfrom rabbithole.room import helper\n\n"
        'def step():\n    """Say what."""\n    return (helper.help())\n'
    )
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("room/helper.py", "def help():\n    return 2\n", True),
        ("room/other.py", "x = 2\n", False),
        ("../../requirements/core.in", "numpy==2.0\nscipy==1.0\n", True),
        ("../../requirements/core.in", "numpy==1.0\nscipy==2.0\n", False),
    ],
)
def test_only_imported_modules_and_libraries_change_the_digest(
    package: Path, file: str, text: str, changes: bool
) -> None:
    before = digest()
    (package / file).write_text(text)
    assert (digest() != before) == changes


@pytest.mark.parametrize(("name", "other"), [("gru", "dilated_conv"), ("dilated_conv", "gru")])
def test_a_model_is_not_in_the_digest_of_another(name: str, other: str) -> None:
    modules = json.loads(module.code_digest(digests.TRAIN, module_name("model", name)))
    assert f"rabbithole.models.{name}" in modules
    assert f"rabbithole.models.{other}" not in modules
    assert not any(entry.startswith(("rabbithole.config", "rabbithole.cli")) for entry in modules)


def test_training_a_text_model_does_not_depend_on_the_purchase_models() -> None:
    modules = json.loads(module.code_digest(digests.TRAIN_TEXT))
    purchase = ("training.purchase", "training.batching", "models.layers", "windows.", "sessions.")
    assert not any(entry.startswith(tuple(f"rabbithole.{name}" for name in purchase)) for entry in modules)


def test_the_digest_of_each_step_starts_at_the_module_that_its_command_imports() -> None:
    """The modules in `digests` are the modules that the commands of the steps import."""
    files = (ROOT / "src/rabbithole/cli").glob("*_steps.py")
    commands = "".join(path.read_text("utf-8") for path in files)
    imported = {
        name: entry for entry, name in re.findall(r"    from (rabbithole\S+) import (\w+)\n", commands)
    }
    digested = {
        value for name, value in vars(digests).items() if name.isupper() and "rabbithole." in str(value)
    }
    assert digested == set(imported.values()) - {"rabbithole.workflow.pins", "rabbithole.spark.session"}


def test_a_user_s_model_file_is_digested_with_what_it_imports(tmp_path: Path) -> None:
    def digest_of(text: str, name: str = "mine.py") -> dict[str, str]:
        file = tmp_path / name
        file.write_text(text)
        modules: dict[str, str] = json.loads(module.code_digest(digests.TRAIN, own_model=file))
        return modules

    text = 'from rabbithole.models import estimators\nimport snakefmt\nX = Field(1, description="One.")\n'
    before = digest_of(text)
    # The features by way of the estimators; a library that is installed but no part of the package.
    assert {
        "rabbithole.models.features.matrix",
        "scikit-learn",
        "snakefmt",
        digests.OWN_MODEL,
    } <= before.keys()
    assert digest_of(text.replace("One.", "1.") + "# A comment.\n", "other.py") == before
    assert digest_of(text.replace("Field(1", "Field(2")) != before
    assert "rabbithole.models.features.matrix" not in digest_of(
        "def f():\n    from rabbithole.models import layers\n"
    )
