"""Inputs of the rules that package a model and put it to work, derived from the settings."""

from dataclasses import dataclass

from rabbithole.specs.base import to_json
from rabbithole.workflow.inputs import SCORES, Named
from rabbithole.workflow.project import Project, Wildcards


@dataclass(frozen=True)
class ServingInputs:
    """Which files these rules read. Where a rule needs the files' names too, they come as JSON."""

    project: Project

    def packaged(self, wildcards: Wildcards) -> list[str]:
        """Return the files of every trained run. One of them is packaged."""
        fold = self.project.folds(wildcards.dataset)[0]
        named = [self._trained(fold, file) for file in ("checkpoint", SCORES, "metrics.json")]
        if fold != wildcards.dataset:
            named.append(self._trained(wildcards.dataset, "metrics.json"))
        return [path for paths in named for path in paths.values()]

    def packaged_checkpoints(self, wildcards: Wildcards) -> str:
        """Return the checkpoint of every trained run by its folder, as JSON; with folds, of the first."""
        return to_json(self._trained(self.project.folds(wildcards.dataset)[0], "checkpoint"))

    def packaged_scores(self, wildcards: Wildcards) -> str:
        """Return the scores of every trained run by its folder, as JSON; with folds, of the first."""
        return to_json(self._trained(self.project.folds(wildcards.dataset)[0], SCORES))

    def packaged_metrics(self, wildcards: Wildcards) -> str:
        """Return the metrics of every trained run by its folder, as JSON; with folds, of the first."""
        return to_json(self._trained(self.project.folds(wildcards.dataset)[0], "metrics.json"))

    def pooled_option(self, wildcards: Wildcards) -> list[str]:
        """Return the option of `package-model` that names every run's metrics over all folds, if any."""
        if wildcards.dataset not in self.project.folded:
            return []
        return ["--pooled", to_json(self._trained(wildcards.dataset, "metrics.json"))]

    def model_folders(self) -> list[str]:
        """Return the model folder of every data set whose target is the purchase."""
        return [self.project.path(name, "model") for name in self.project.with_target("buyer")]

    def predictions(self) -> list[str]:
        """Return the scores of all further logs."""
        return [self.project.path("predict", name, SCORES) for name in self.project.to_score]

    def prediction_model(self, wildcards: Wildcards) -> str:
        """Return the model folder that scores a further log."""
        return self.project.path(self.project.settings.predict[wildcards.prediction].model, "model")

    def prediction_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a further log; none for one at an address."""
        return self.project.to_score[wildcards.prediction].paths

    def prediction_content(self, wildcards: Wildcards) -> str:
        """Return a digest of a further log's files."""
        return self.project.to_score[wildcards.prediction].content

    def monitor_pages(self) -> list[str]:
        """Return the pages of all later logs."""
        return [self.project.path("monitor", name, "index.html") for name in self.project.to_monitor]

    def monitored_model(self, wildcards: Wildcards) -> str:
        """Return the model folder that a later log watches."""
        return self.project.path(self.project.settings.monitor[wildcards.monitored].model, "model")

    def monitored_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a later log; none for one at an address."""
        return self.project.to_monitor[wildcards.monitored].paths

    def monitored_content(self, wildcards: Wildcards) -> str:
        """Return a digest of a later log's files."""
        return self.project.to_monitor[wildcards.monitored].content

    def monitored_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the earlier scores of a later log."""
        return self.project.settings.monitor[wildcards.monitored].scores

    def _trained(self, dataset: str, file: str) -> Named:
        runs = self.project.trained_runs()
        return {run.folder: self.project.path(dataset, run.folder, file) for run in runs}
