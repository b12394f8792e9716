"""The code digest of each rule: the step's module, and the modules that the step loads by name."""

import ast
import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grimp

from rabbithole.config.settings import Prediction
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

OWN_MODEL = "the model's file"
"""Name of a user's own file in a digest."""


def code_digest(*modules: str, files: tuple[str, ...] = (), own_model: Path | None = None) -> str:
    """Return a digest of modules, of all modules that they import, and of the libraries among these.

    The result is a JSON object from name to digest or version, so that a change can be traced to a module.
    Docstrings, comments, layout and descriptions of settings do not count: a module's digest is over
    `ast.unparse` of its syntax tree, which differs less between Python versions than `ast.dump`.

    files: further files of the package (templates), relative to it, which count byte by byte; own_model: a
    user's file with a model, which counts like a module, under a name that does not depend on its path.
    """
    names = set(modules)
    digests = {}
    if own_model is not None:
        tree = ast.parse(own_model.read_bytes())
        names |= _imports(tree)
        digests[OWN_MODEL] = tree_digest(tree)
    for module in names & import_graph().modules:
        names |= import_graph().find_upstream_modules(module)
    own = {name for name in names if name.partition(".")[0] == "rabbithole"}
    own = {name for name in own if not _only_shows_progress(name)}
    libraries = {name.partition(".")[0] for name in names - own}
    if "jax" in libraries:
        libraries.add("jaxlib")
    versions = pinned_versions()
    used = {DISTRIBUTIONS.get(library, library) for library in libraries}
    digests |= {name: module_digest(name) for name in own}
    digests |= {name: versions[name] for name in used & versions.keys()}
    if own_model is not None:
        digests |= _installed_versions(used - versions.keys())
    digests |= {file: _sha256((PACKAGE / file).read_text("utf-8")) for file in files}
    return json.dumps(digests, sort_keys=True)


@cache
def import_graph() -> grimp.ImportGraph:
    """Return which module imports which, imports inside functions included."""
    return grimp.build_graph("rabbithole", include_external_packages=True, cache_dir=None)


@cache
def module_digest(name: str) -> str:
    """Return a digest of a module of the package; see `tree_digest`."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return tree_digest(ast.parse(file.read_text("utf-8")))


def tree_digest(tree: ast.Module) -> str:
    """Return a digest of a syntax tree without its docstrings and the descriptions of settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_string(line)] or [ast.Pass()]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
    return _sha256(ast.unparse(tree))


def _imports(tree: ast.Module) -> set[str]:
    """Return the modules that a user's file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # The imported names may be modules, too.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = {name for name in names if name.startswith("rabbithole.")} & import_graph().modules
    return own | {name.partition(".")[0] for name in names if not name.startswith("rabbithole")}


def _installed_versions(libraries: set[str]) -> dict[str, str]:
    """Return the versions of libraries that are installed under their own name but not pinned here."""
    versions = {}
    for library in libraries - sys.stdlib_module_names:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return versions


def _only_shows_progress(module: str) -> bool:
    """Return whether a module only shows how far a step is: it changes no result."""
    return module in ("rabbithole.progress", "rabbithole.spark.task_progress")


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
RETURNING_ORACLE = "rabbithole.simulator.returning_oracle"
TRAIN = "rabbithole.training.train"
BLEND = "rabbithole.evaluation.blend_models"
SCORE = "rabbithole.evaluation.score_sessions"
JOIN_FOLDS = "rabbithole.evaluation.join_folds"
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
PACKAGE_MODEL = "rabbithole.serving.package"
PREDICT = "rabbithole.serving.predict"
MONITOR = "rabbithole.serving.monitor_page"


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

    def oracle(self, wildcards: Wildcards) -> str:
        """Return the digest of the oracle of one kind of shop."""
        format = raw_format(self.project.dataset(wildcards).format)
        return code_digest(ORACLE if format.simulated_gap_minutes is None else RETURNING_ORACLE)

    def train(self, wildcards: Wildcards) -> str:
        """Return the digest of the training, of the objective and of one model."""
        target = self.project.dataset(wildcards).target
        return self._with_model(wildcards, TRAIN, module_name("objective", target))

    def blend(self, wildcards: Wildcards) -> str:
        """Return the digest of one combination. Its members' code counts in their own trainings."""
        return self._with_model(wildcards, BLEND)

    def score(self, wildcards: Wildcards) -> str:
        """Return the digest of scoring with one model."""
        return self._with_model(wildcards, SCORE)

    def package_model(self) -> str:
        """Return the digest of the packaging and of the model card."""
        return code_digest(PACKAGE_MODEL, files=_templates("serving"))

    def predict(self, wildcards: Wildcards) -> str:
        """Return the digest of a prediction, with the raw format and every model that may be packaged."""
        return self._with_a_log(self.project.settings.predict[wildcards.prediction], PREDICT)

    def monitor(self, wildcards: Wildcards) -> str:
        """Return the digest of a page on a model in use, with its templates, the format and the models."""
        templates = (*_templates("report"), *_templates("serving"))
        return self._with_a_log(self.project.settings.monitor[wildcards.monitored], MONITOR, templates)

    def _with_a_log(self, log: Prediction, module: str, files: tuple[str, ...] = ()) -> str:
        """Return the digest of a module, of the format of a log and of every model that may be packaged."""
        format = self.project.settings.datasets[log.model].format
        models = [
            module_name("model", name)
            for name, settings in self.project.settings.models.items()
            if settings.file is None
        ]
        return code_digest(module, module_name("format", format), *models, files=files)

    def explain(self, wildcards: Wildcards) -> str:
        """Return the digest of explaining one model."""
        return self._with_model(wildcards, EXPLAIN)

    def next_event(self, wildcards: Wildcards) -> str:
        """Return the digest of evaluating the next events of one network."""
        return self._with_model(wildcards, NEXT_EVENT)

    def leak_probe(self) -> str:
        """Return the digest of the leak probes and of their network."""
        return code_digest(LEAK_PROBE, module_name("model", "gru"))

    def ablation(self, wildcards: Wildcards) -> str:
        """Return the digest of the ablation and of one network."""
        return self._with_model(wildcards, ABLATION)

    def figure(self, wildcards: Wildcards) -> str:
        """Return the digest of one figure."""
        return code_digest(module_name("figure", wildcards.figure))

    def page(self) -> str:
        """Return the digest of the page and of its templates."""
        return code_digest(PAGE, files=_templates("report"))

    def _with_model(self, wildcards: Wildcards, *modules: str) -> str:
        """Return the digest of modules and of one model, in the package or in the user's own file."""
        file = self.project.settings.models[wildcards.model].file
        if file is not None:
            return code_digest(*modules, own_model=Path(file))
        return code_digest(*modules, module_name("model", wildcards.model))


def _templates(folder: str) -> tuple[str, ...]:
    templates = sorted(PACKAGE.glob(f"{folder}/templates/*"))
    return tuple(str(path.relative_to(PACKAGE)) for path in templates)
