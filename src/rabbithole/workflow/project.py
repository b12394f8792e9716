"""The settings of a run, checked, and what is derived from them: data sets, runs, paths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rabbithole.config.datasets import Dataset
from rabbithole.config.files import refuse_empty_sections, refuse_slips, refuse_texts_on_command_line
from rabbithole.config.settings import Settings
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError
from rabbithole.models.settings import CombinationSettings, NetworkSettings
from rabbithole.workflow.raw_files import (
    RawFiles,
    book_file,
    dataset_files,
    raw_files,
    refuse_brackets,
    refuse_in_results,
    refuse_no_folder,
    stop,
)
from snakemake_logger_plugin_rabbithole.config_troubles import target_advice

TEXT_MODELS = ("deck", "char_gru")

FOLD = "fold-"
"""Start of the name of a fold's folder, which is in that of its data set."""

FIGURES = (
    "roc",
    "precision_recall",
    "reliability",
    "early",
    "gain",
    "importance",
    "journeys",
    "learning",
    "lengths",
)
"""Figures of a data set, in the order of the page."""


def without_fold(dataset: str) -> str:
    """Return the data set that a fold is of; any other data set itself."""
    return dataset.partition("/")[0]


class Wildcards(Protocol):
    """The wildcards of the rules. Each rule has some of them."""

    dataset: str
    model: str
    seed: str
    seeds: str
    figure: str
    text_model: str
    prediction: str
    monitored: str
    run: str
    scores: str


@dataclass(frozen=True)
class Run:
    """A set of scores. name: in the report; folder: below the data set's folder."""

    name: str
    folder: str

    @property
    def trained(self) -> bool:
        """Return whether this is one training: not the oracle, a baseline or an ensemble."""
        return "seed-" in self.folder


# Snakemake looks for // in how functions of the rules are shown: an address in the settings is no path.
@dataclass(frozen=True, repr=False)
class Project:
    """All that the rules need to know.

    results: the results folder; raw: the user's files by data set; to_score, to_monitor: the files of further
    logs, by name.
    """

    settings: Settings
    results: str
    raw: Mapping[str, RawFiles]
    to_score: Mapping[str, RawFiles]
    to_monitor: Mapping[str, RawFiles]
    book: RawFiles

    @property
    def datasets(self) -> list[str]:
        """Return the names of the data sets."""
        return list(self.settings.datasets)

    @property
    def encoded(self) -> list[str]:
        """Return the names of all that has sessions and windows of its own: see `folds`."""
        return [part for name in self.datasets for part in self.folds(name)]

    @property
    def folded(self) -> list[str]:
        """Return the data sets that are split by folds."""
        return [name for name in self.datasets if self.folds(name) != [name]]

    @property
    def first_folds(self) -> list[str]:
        """Return the first fold of each data set that has folds, and the names of the others."""
        return [self.folds(name)[0] for name in self.datasets]

    def folds(self, dataset: str) -> list[str]:
        """Return the folds of a data set, each a data set `NAME/fold-K` of its own; or else its name."""
        count = self.settings.datasets[dataset].split.folds
        return [f"{dataset}/{FOLD}{number}" for number in range(count)] or [dataset]

    @property
    def models(self) -> list[str]:
        """Return the names of the purchase models."""
        return list(self.settings.models)

    @property
    def networks(self) -> list[str]:
        """Return the names of the models that are networks."""
        return [name for name, model in self.settings.models.items() if isinstance(model, NetworkSettings)]

    @property
    def combinations(self) -> list[str]:
        """Return the names of the models that combine the others."""
        models = self.settings.models.items()
        return [name for name, model in models if isinstance(model, CombinationSettings)]

    @property
    def members(self) -> list[str]:
        """Return the names of the models that are trained by themselves, and that are combined."""
        return [name for name in self.models if name not in self.combinations]

    @property
    def seeds(self) -> list[int]:
        """Return the training seeds."""
        return self.settings.training_seeds

    def dataset(self, wildcards: Wildcards) -> Dataset:
        """Return the settings of the rule's data set, or of that which the rule's fold is of."""
        return self.settings.datasets[without_fold(wildcards.dataset)]

    def path(self, *parts: str) -> str:
        """Return a path below the results folder."""
        return "/".join([self.results, *parts])

    def with_target(self, target: str) -> list[str]:
        """Return the data sets with this prediction target."""
        return [name for name, dataset in self.settings.datasets.items() if dataset.target == target]

    def evaluated_steps(self, dataset: Dataset) -> tuple[int, ...]:
        """Return the numbers of events after which running sessions are scored: at most the window length."""
        return tuple(k for k in self.settings.evaluation.steps if k <= dataset.windows.length)

    def scored_runs(self, dataset: str) -> list[Run]:
        """Return the runs whose scores are evaluated on a data set."""
        return self._runs(self.models) + self._oracle(dataset)

    def trained_runs(self) -> list[Run]:
        """Return the trained runs of all models."""
        return [run for run in self._runs(self.models) if run.trained]

    def next_event_runs(self, dataset: str) -> list[Run]:
        """Return the runs whose next-event predictions are evaluated on a data set."""
        baselines = [Run(name, name) for name in ("most_frequent", "markov")]
        return self._runs(self.networks) + baselines + self._oracle(dataset)

    def _runs(self, models: list[str]) -> list[Run]:
        runs = [
            Run(f"{model} seed {seed}", f"{model}/seed-{seed}") for model in models for seed in self.seeds
        ]
        if len(self.seeds) > 1:
            runs += [Run(f"{model} ensemble", f"{model}/ensemble") for model in models]
        return runs

    def _oracle(self, dataset: str) -> list[Run]:
        return [Run("oracle", "oracle")] if self.settings.datasets[dataset].has_oracle else []


def load_project(
    config: Mapping[str, Any],
    results: str,
    *,
    overlay: Mapping[str, Any],
    words: Mapping[str, Any],
    files: Sequence[str | Path],
) -> Project:
    """Check the configuration and find the user's files, before any job starts.

    overlay: what of the configuration the command gives; words: what of that stands after --config;
    files: the config files. Ends the process with a plain message for a wrong setting or a missing or
    unreadable file.
    """
    try:
        refuse_no_folder(results)
        refuse_slips(files)
        refuse_texts_on_command_line(words)
        refuse_empty_sections(overlay, config)
        settings = parse_config(config)
        for name, model in settings.models.items():
            if model.file is not None:
                refuse_brackets([model.file], f"models.{name}.file: ")
    except UserError as error:
        # A result of JSON, such as metrics.json, can be read as settings.
        stop(f"{error}\n{target_advice(files)}".rstrip())
    memory = Path(results, "fingerprints.json")
    raw = {name: dataset_files(name, dataset, memory) for name, dataset in settings.datasets.items()}
    to_score, to_monitor = (
        {
            name: raw_files(f"{section}.{name}.log", settings.datasets[log.model], log.log, memory)
            for name, log in logs.items()
        }
        for section, logs in (("predict", settings.predict), ("monitor", settings.monitor))
    )
    book = book_file(settings.alice, memory)
    own_files = (
        {f"datasets.{name}": log for name, log in raw.items()}
        | {f"predict.{name}.log": log for name, log in to_score.items()}
        | {f"monitor.{name}.log": log for name, log in to_monitor.items()}
        | {"alice.source": book}
    )
    simulated = [name for name, dataset in settings.datasets.items() if dataset.simulated]
    try:
        for key, own in own_files.items():
            refuse_in_results(key, own.paths, results, [*settings.datasets, "alice"], simulated)
    except UserError as error:
        stop(str(error))
    return Project(settings, results, raw, to_score, to_monitor, book)
