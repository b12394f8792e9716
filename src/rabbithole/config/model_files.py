"""The files of models, and their settings, which are read without running the rest of a file.

A network's file imports JAX, which takes seconds and claims a GPU. So only the class `Settings` of a file and
what it uses are run while a workflow is planned.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from rabbithole.errors import OWN_MODEL, UserError, error_in_own_model
from rabbithole.models.settings import ModelSettings

MODELS = Path(__file__).parents[1] / "models"

DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def model_names() -> list[str]:
    """Return the names of the package's models, sorted: the files of models/ with the two classes."""
    names = []
    for path in MODELS.glob("*.py"):
        defined = {name for statement in _parse(path).body for name in _bound(statement)}
        if {"Settings", "Model"} <= defined:
            names.append(path.stem)
    return sorted(names)


@cache
def package_settings(name: str) -> type[ModelSettings]:
    """Return the settings of one of the package's models."""
    return settings_of(MODELS / f"{name}.py", name)


def settings_of(file: Path, name: str) -> type[ModelSettings]:
    """Return the class `Settings` of a model's file.

    Raises `UserError` for a file that is missing, that Python cannot read, or that lacks a class.
    """
    if file.suffix != ".py":
        raise UserError(f"{file} is not a Python file (.py)")
    if file.exists() and not file.is_file():
        # A pipe or a device might never end.
        raise UserError(f"{file} is no file")
    try:
        tree = _parse(file)
    except FileNotFoundError:
        raise UserError(f"there is no file {file} in {Path.cwd()}, where the workflow runs") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise error_in_own_model(error) or UserError(f"{file}: {error}") from None
    defined = {name for statement in tree.body for name in _bound(statement)}
    for wanted in ("Settings", "Model"):
        if wanted not in defined:
            raise UserError(f"{file}: there is no class {wanted} at the top level of the file")
    module = ModuleType(f"{OWN_MODEL}{name}_settings")
    # Pydantic looks the names in annotations up there.
    sys.modules[module.__name__] = module
    try:
        exec(compile(_definition_of("Settings", tree), str(file), "exec"), vars(module))
    except Exception as error:
        raise error_in_own_model(error) or error from None
    settings = vars(module)["Settings"]
    if not (isinstance(settings, type) and issubclass(settings, ModelSettings)):
        raise UserError(f"{file}: the class Settings must be a subclass of ModelSettings or NetworkSettings")
    return settings


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def _definition_of(name: str, tree: ast.Module) -> ast.Module:
    """Return the statements that define a name and all names that it uses, in their order."""
    needed, chosen = {name, "annotations"}, set[int]()  # `from __future__ import annotations` always counts.
    while True:
        definitions = {
            number
            for number, statement in enumerate(tree.body)
            if number not in chosen and needed & {*_bound(statement)}
        }
        if not definitions:
            return ast.Module([tree.body[number] for number in sorted(chosen)], [])
        chosen |= definitions
        needed |= {
            node.id
            for number in definitions
            for node in ast.walk(tree.body[number])
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines: a class, a function, imports, or assigned names."""
    if isinstance(statement, DEFINITION):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, DEFINITION):
            yield node.name
