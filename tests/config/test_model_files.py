"""The settings of users' model files, and the messages about mistakes in them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError

GOOD = """
from __future__ import annotations

from typing import Literal

import no_such_library
from pydantic import Field
from rabbithole.models.estimators import AggregateModel
from rabbithole.models.settings import ModelSettings

MOST = 9
Kind = Literal["a", "b"]


class Settings(ModelSettings):
    depth: int = Field(3, le=MOST, description="Depth.")
    kind: Kind = "a"


class Model(AggregateModel):
    pass
"""


def parse(folder: Path, text: str | None = None, **section: Any) -> Any:
    """Return the parsed settings of the model `mine`, whose file has this text."""
    if text is not None:
        (folder / "mine.py").write_text(text)
    models = {"mine": {"file": str(folder / "mine.py")} | section}
    return parse_config({"datasets": {"shop": {"format": "yoochoose"}}, "models": models}).models["mine"]


def test_a_file_s_settings_are_read_without_its_other_imports(tmp_path: Path) -> None:
    mine = parse(tmp_path, GOOD, depth=5)
    assert mine.model_dump() == {"file": str(tmp_path / "mine.py"), "depth": 5, "kind": "a"}


@pytest.mark.parametrize(
    ("section", "parts"),
    [
        (
            {"dept": 5},
            ["mine.dept: there is no such key (given 5); did you mean depth?", "file, kind"],
        ),
        ({"depth": 10}, ["models.mine.depth: given 10", "less than or equal to 9"]),
        ({"kind": "c"}, ["models.mine.kind: given 'c'", "'a' or 'b'"]),
        ({"file": "https://shop.example/mine.py"}, ["models.mine.file", "never fetched from an address"]),
        ({"file": "nowhere.py"}, ["models.mine.file: there is no file nowhere.py in "]),
        ({"file": "mine.txt"}, ["models.mine.file: mine.txt is not a Python file"]),
        ({"file": None}, ["models.mine.file: given null"]),
    ],
)
def test_a_wrong_key_of_a_file_s_model_is_named(tmp_path: Path, section: Any, parts: list[str]) -> None:
    with pytest.raises(UserError) as error:
        parse(tmp_path, GOOD, **section)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("MOST = 9", "MOST = "), "mine.py:11: SyntaxError: invalid syntax"),
        (GOOD.replace("MOST = 9", "MOST = LEAST"), "mine.py:11: NameError: name 'LEAST' is not defined"),
        (GOOD.replace("class Model", "class Modell"), "mine.py: there is no class Model at the top level"),
        (
            GOOD.replace("Settings(ModelSettings)", "Settings"),
            "mine.py: the class Settings must be a subclass",
        ),
        ("x = '\0'", "mine.py: source code string cannot contain null bytes"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse(tmp_path, text)
    assert f"models.mine.file: {tmp_path}/{message}" in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gru", "models.gru.file: gru is a model of the package; take another name"),
        ("oracle", "models.oracle: this name is used in results/ already"),
    ],
)
def test_a_file_s_model_takes_no_name_that_has_a_meaning(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    models = {name: {"file": str(tmp_path / "mine.py")}}
    with pytest.raises(UserError, match=message):
        parse_config({"datasets": {"shop": {"format": "yoochoose"}}, "models": models})


def test_a_file_of_one_s_own_combines_no_others(tmp_path: Path) -> None:
    text = GOOD.replace("ModelSettings", "CombinationSettings")
    with pytest.raises(UserError, match=r"models\.mine\.file: only models of the package combine others"):
        parse(tmp_path, text)


def test_no_model_s_file_is_run_while_a_workflow_is_planned() -> None:
    """JAX takes seconds to import, and would claim the GPU that the jobs need."""
    code = (
        "import sys; from rabbithole.config.model_files import model_names, package_settings; "
        "kinds = [package_settings(name) for name in model_names()]; assert len(kinds) == 6; "
        "assert not {'jax', 'flax', 'sklearn', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
