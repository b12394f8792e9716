"""The code digest of each rule: the step's module, and the modules that the step loads by name."""

import ast
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grimp

from rabbithole.formats.base import raw_format
from rabbithole.registry import module_name
from rabbithole.workflow.pins import pinned_versions
from rabbithole.workflow.project import Project, Wildcards

PACKAGE = Path(__file__).parents[1]
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "orbax": "orbax-checkpoint",
    "yaml": "pyyaml",
}
"""Distributions whose name is not that of their package."""


SHOWN_ONLY = {"rabbithole.progress", "rabbithole.spark.task_progress"}
"""Modules that show how far a step is, and change no result."""


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
    own = {name for name in names if name.partition(".")[0] == "rabbithole"} - SHOWN_ONLY
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


SIMULATE = "rabbithole.simulator.write"
EVENTS = "rabbithole.ingest.build"
SESSIONS = "rabbithole.sessions.build"
WINDOWS = "rabbithole.windows.build"
CHECK_LEAKS = "rabbithole.checks.leak_checks"
ORACLE = "rabbithole.simulator.oracle"
TRAIN = "rabbithole.training.train"
SCORE = "rabbithole.training.score"
ENSEMBLE = "rabbithole.evaluation.ensemble"
EVALUATE = "rabbithole.evaluation.evaluate"
COMPARE_MODELS = "rabbithole.evaluation.compare_models"
EXPLAIN = "rabbithole.evaluation.explain"
NEXT_EVENT = "rabbithole.evaluation.next_event_networks"
NEXT_EVENT_BASELINES = "rabbithole.evaluation.next_event_baselines"
NEXT_EVENT_ORACLE = "rabbithole.evaluation.next_event_oracle"
LEAK_PROBE = "rabbithole.studies.leak_probe"
STUDY_TABLES = "rabbithole.studies.tables"
ABLATION = "rabbithole.studies.ablation"
BOOK = "rabbithole.text.fetch"
TRAIN_TEXT = "rabbithole.text.train"
SAMPLE_TEXT = "rabbithole.text.sample"
PAGE = "rabbithole.report.page"


@dataclass(frozen=True)
class CodeDigests:
    """Digests by rule. A rule whose step loads nothing by name uses `code_digest(MODULE)` itself."""

    project: Project

    def simulate(self, wildcards: Wildcards) -> str:
        """Return the digest of the simulator and of one shop."""
        shop = raw_format(self.project.dataset(wildcards).format).simulator
        return code_digest(SIMULATE, *([module_name("simulator", shop)] if shop else []))

    def events(self, wildcards: Wildcards) -> str:
        """Return the digest of the ingest and of one raw format."""
        return code_digest(EVENTS, module_name("format", self.project.dataset(wildcards).format))

    def train(self, wildcards: Wildcards) -> str:
        """Return the digest of the training, of the objective and of one model."""
        target = self.project.dataset(wildcards).target
        return code_digest(TRAIN, module_name("objective", target), module_name("model", wildcards.model))

    def score(self, wildcards: Wildcards) -> str:
        """Return the digest of scoring with one model."""
        return code_digest(SCORE, module_name("model", wildcards.model))

    def explain(self, wildcards: Wildcards) -> str:
        """Return the digest of explaining one model."""
        return code_digest(EXPLAIN, module_name("model", wildcards.model))

    def next_event(self, wildcards: Wildcards) -> str:
        """Return the digest of evaluating the next events of one network."""
        return code_digest(NEXT_EVENT, module_name("model", wildcards.model))

    def leak_probe(self) -> str:
        """Return the digest of the leak probes and of their network."""
        return code_digest(LEAK_PROBE, module_name("model", "gru"))

    def ablation(self, wildcards: Wildcards) -> str:
        """Return the digest of the ablation and of one network."""
        return code_digest(ABLATION, module_name("model", wildcards.model))

    def figure(self, wildcards: Wildcards) -> str:
        """Return the digest of one figure."""
        return code_digest(module_name("figure", wildcards.figure))

    def page(self) -> str:
        """Return the digest of the page and of its templates."""
        templates = sorted(PACKAGE.glob("report/templates/*"))
        return code_digest(PAGE, files=tuple(str(path.relative_to(PACKAGE)) for path in templates))
