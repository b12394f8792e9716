"""What a result depends on besides inputs and settings: the code that a step runs, the libraries it calls.

Snakemake sees neither the modules that a step imports nor the versions of libraries, so every rule carries
this digest as a param: a changed line of code reruns just the steps that can reach it.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = PACKAGE.parents[1] / "requirements"
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "orbax": "orbax-checkpoint",
    "yaml": "pyyaml",
}
PINNED = ("base.in", "cpu.in", "cuda.in", "cpu.txt", "cuda.txt")
"""What is asked for, and what that was resolved to."""


def code_digest(*modules: str, files: tuple[str, ...] = ()) -> str:
    """Return what modules are made of: a digest of each, of all that they import, and the pins of libraries.

    One JSON object, name to digest or version, so that a change can be traced to a module. Docstrings,
    comments and layout do not count: a digest is over `ast.unparse` of the syntax tree, which is far steadier
    between Python versions than `ast.dump`. `files` are further files of the package (templates), relative
    to it, digested as they are.
    """
    found: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name], imported = _module(name)
            waiting += [module for module in imported if module.startswith("rabbithole")]
            libraries |= {
                module.partition(".")[0] for module in imported if not module.startswith("rabbithole")
            }
    versions = pinned_versions()
    if "jax" in libraries:
        libraries.add("jaxlib")
    used = {DISTRIBUTIONS.get(library, library) for library in libraries} & versions.keys()
    found |= {name: versions[name] for name in used}
    found |= {file: _short((PACKAGE / file).read_text("utf-8")) for file in files}
    return json.dumps(found, sort_keys=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _module(name: str) -> tuple[str, frozenset[str]]:
    """Return a digest of a module without its docstrings, and the names of the modules that it imports."""
    tree = ast.parse(_path(name).read_text("utf-8"))
    imported = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` names a module, `from module import function` does not.
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {module for module in below if module.startswith("rabbithole") and _exists(module)}
            imported.add(node.module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _strip_docstrings(node)
    return _short(ast.unparse(tree)), frozenset(imported)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the statements below it; expressions, which are most of a tree, are left out."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _statements(child)


def _strip_docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Drop the docstring, and the strings that describe the name above them."""
    kept = [
        line
        for line in node.body
        if not (
            isinstance(line, ast.Expr)
            and isinstance(line.value, ast.Constant)
            and isinstance(line.value.value, str)
        )
    ]
    node.body = kept or [ast.Pass()]


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _path(module).is_file()


@cache
def pinned_versions() -> dict[str, str]:
    """Return the exact versions that the project pins, by name of distribution; of several, all."""
    found: dict[str, set[str]] = {}
    for path in (REQUIREMENTS / name for name in PINNED):
        text = path.read_text("utf-8") if path.exists() else ""
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;\\]+)", text, re.MULTILINE):
            found.setdefault(name.lower(), set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
