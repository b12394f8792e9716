"""The code digest of each rule: the step's module, and the modules that the step loads by name."""

from dataclasses import dataclass

from rabbithole.formats.registry import raw_format
from rabbithole.registry import module_name
from rabbithole.workflow.code_digest import PACKAGE, code_digest
from rabbithole.workflow.project import Project, Wildcards

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
LEAK_REPORT = "rabbithole.studies.leak_report"
ABLATION = "rabbithole.studies.ablation"
ABLATION_REPORT = "rabbithole.studies.ablation_report"
ORACLE_GAP = "rabbithole.studies.oracle_gap"
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
