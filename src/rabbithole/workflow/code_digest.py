"""What a result depends on besides inputs and settings: the code that a step runs and the libraries it uses.

Snakemake tracks neither the modules that a step imports nor the versions of libraries. So every rule has this
digest as a param: a changed line of code reruns exactly the steps that can reach it.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

import grimp

from rabbithole.workflow.pins import pinned_versions

PACKAGE = Path(__file__).parents[1]
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "orbax": "orbax-checkpoint",
    "yaml": "pyyaml",
}
"""Distributions whose name is not that of their package."""


def code_digest(*modules: str, files: tuple[str, ...] = ()) -> str:
    """Return a digest of modules, of all modules that they import, and of the libraries among these.

    The result is a JSON object from name to digest or version, so that a change can be traced to a module.
    Docstrings, comments and layout do not count: a module's digest is over `ast.unparse` of its syntax tree,
    which differs less between Python versions than `ast.dump`. files: further files of the package
    (templates), relative to it, which count byte by byte.
    """
    names = set(modules)
    for module in modules:
        names |= import_graph().find_upstream_modules(module)
    own = {name for name in names if name.partition(".")[0] == "rabbithole"}
    libraries = {name.partition(".")[0] for name in names - own}
    if "jax" in libraries:
        libraries.add("jaxlib")
    versions = pinned_versions()
    used = {DISTRIBUTIONS.get(library, library) for library in libraries} & versions.keys()
    digests = {name: module_digest(name) for name in own} | {name: versions[name] for name in used}
    digests |= {file: _sha256((PACKAGE / file).read_text("utf-8")) for file in files}
    return json.dumps(digests, sort_keys=True)


@cache
def import_graph() -> grimp.ImportGraph:
    """Return which module imports which, imports inside functions included."""
    return grimp.build_graph("rabbithole", include_external_packages=True, cache_dir=None)


@cache
def module_digest(name: str) -> str:
    """Return a digest of a module without its docstrings."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_string(line)] or [ast.Pass()]
    return _sha256(ast.unparse(tree))


def _is_string(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring, or a string that describes the name above it."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
