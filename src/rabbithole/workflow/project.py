"""The settings of a run, checked, where its files are, and the fingerprints of its raw logs."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from rabbithole.artifacts.data import FileFingerprint, Fingerprints
from rabbithole.config.datasets import SIMULATE, Dataset
from rabbithole.config.files import refuse_empty_sections, refuse_repeated_keys
from rabbithole.config.settings import Settings
from rabbithole.config.text import Alice
from rabbithole.config.validation import parse_config
from rabbithole.errors import UserError
from rabbithole.ingest.hashed_ids import read_key
from rabbithole.ingest.locate import is_remote, locate
from rabbithole.io.atomic import sha256_of
from rabbithole.models.settings import CombinationSettings, NetworkSettings
from rabbithole.specs.data import Source


def fingerprint(paths: list[Path], memory: Path) -> str:
    """Return one digest of the content of files. Only files that changed since the last call are read.

    memory: a `Fingerprints` file, which is made if it is missing or damaged, but not in a dry run. Raises
    OSError for a file that cannot be read.
    """
    try:
        known = Fingerprints.read(memory).files
    except (UserError, OSError):
        known = {}
    current = {}
    for path in paths:
        facts, key = path.stat(), str(path.resolve())
        same = {
            "size": facts.st_size,
            "modified": facts.st_mtime_ns,
            "changed": facts.st_ctime_ns,
            "inode": facts.st_ino,
        }
        entry = known.get(key)
        if entry is None or entry.model_dump(exclude={"sha256"}) != same:
            entry = FileFingerprint(**same, sha256=sha256_of(path))
        current[key] = entry
    if any(known.get(key) != entry for key, entry in current.items()) and not is_dry_run():
        # It only saves time. Another command may write it now, and results may be read-only.
        with suppress(OSError):
            Fingerprints(files={**known, **current}).write(memory)
    return "+".join(current[str(path.resolve())].sha256[:16] for path in paths)


def is_dry_run() -> bool:
    """Return whether Snakemake was asked for a dry run, which writes nothing; `-np` asks for one too."""
    dry = re.compile(r"--dry-?run|-[a-zA-Z]*n[a-zA-Z]*")
    # Run as a program, or as a module.
    is_snakemake = "snakemake" in Path(sys.argv[0]).parts[-2:]
    return is_snakemake and any(dry.fullmatch(argument) for argument in sys.argv[1:])


BRACKETS = re.compile(r"\{[^{}]*\}|<[^<>]*>")
"""What Snakemake takes for a wildcard or a path variable in a path."""

TEXT_MODELS = ("deck", "char_gru")

FOLD = "fold-"
"""Before the number of a fold in its folder, which is in that of its data set."""

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


def whole(dataset: str) -> str:
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
class RawFiles:
    """A data set's raw files by role, and a digest of their content."""

    by_role: Mapping[str, list[Path]]
    content: str

    @property
    def paths(self) -> list[str]:
        """Return all files."""
        return list(dict.fromkeys(str(path) for paths in self.by_role.values() for path in paths))


@dataclass(frozen=True)
class Run:
    """A set of scores. name: in the report; folder: below the data set's folder."""

    name: str
    folder: str

    @property
    def trained(self) -> bool:
        """Return whether this is one training: not the oracle, a baseline or an ensemble."""
        return "seed-" in self.folder


@dataclass(frozen=True)
class Project:
    """All that the rules need to know. results: the results folder; raw: the user's files by data set;
    to_score, to_monitor: the files of further logs, by name."""

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
        return self.settings.datasets[whole(wildcards.dataset)]

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
    config: Mapping[str, Any], results: str, *, overlay: Mapping[str, Any], files: Sequence[str | Path]
) -> Project:
    """Check the configuration and find the user's files, before any job starts.

    overlay: what of the configuration the command gives; files: the config files. Ends the process with a
    plain message for a wrong setting or a missing or unreadable file.
    """
    try:
        refuse_repeated_keys(files)
        refuse_empty_sections(overlay, config)
        settings = parse_config(config)
        for name, model in settings.models.items():
            if model.file is not None:
                _refuse_brackets([model.file], f"models.{name}.file: ")
    except UserError as error:
        stop(str(error))
    memory = Path(results, "fingerprints.json")
    raw = {name: _dataset_files(name, dataset, memory) for name, dataset in settings.datasets.items()}
    to_score, to_monitor = (
        {
            name: _raw_files(f"{section}.{name}.log", settings.datasets[log.model], log.log, memory)
            for name, log in logs.items()
        }
        for section, logs in (("predict", settings.predict), ("monitor", settings.monitor))
    )
    return Project(settings, results, raw, to_score, to_monitor, _book(settings.alice, memory))


def _dataset_files(name: str, dataset: Dataset, memory: Path) -> RawFiles:
    """Find the raw files of a data set, and the key under which its ids are hashed."""
    raw = _raw_files(f"datasets.{name}.source", dataset, dataset.source, memory)
    if dataset.hash_ids is None:
        return raw
    key = Path(dataset.hash_ids)
    try:
        _refuse_brackets([key])
        read_key(key)
        return RawFiles({**raw.by_role, "hash_ids": [key]}, f"{raw.content} {fingerprint([key], memory)}")
    except UserError as error:
        stop(f"datasets.{name}.{error}")


def _raw_files(key: str, dataset: Dataset, source: Source, memory: Path) -> RawFiles:
    """Find the raw files of a log that is read as a data set's.

    A log at an address is found by its job, and taken to stay unchanged.
    """
    if source == SIMULATE:
        return RawFiles({}, "simulated")
    if is_remote(source):
        return RawFiles({}, "fetched")
    try:
        files = locate(dataset.format, source, dataset.table_log)
        # An archive may hold the files of several roles.
        paths = dict.fromkeys(path for role in files.values() for path in role)
        _refuse_brackets(paths)
        return RawFiles(files, fingerprint(list(paths), memory))
    except UserError as error:
        stop(f"{key}: {error}")
    except OSError as error:
        stop(f"{key}: {error.filename}: {error.strerror}")


def _book(alice: Alice | None, memory: Path) -> RawFiles:
    """Find the user's own book; none where it comes from an address, or no text is learned."""
    if alice is None or "://" in alice.source:
        return RawFiles({}, "fetched")
    try:
        book = Path(alice.source)
        if book.exists() and not book.is_file():
            # A pipe or a device might never end.
            stop(f"alice.source: {book} is not a file.")
        _refuse_brackets([book])
        return RawFiles({"book": [book]}, fingerprint([book], memory))
    except UserError as error:
        stop(f"alice.source: {error}")
    except OSError as error:
        stop(f"alice.source: {error.filename}: {error.strerror}")


def _refuse_brackets(paths: Iterable[str | Path], key: str = "") -> None:
    """Raise `UserError` for a path in which Snakemake would fill in something else."""
    for path in paths:
        if BRACKETS.search(str(path)):
            raise UserError(
                f"{key}the path {path} holds {{...}} or <...>, which Snakemake would replace. Rename it, or "
                "name a link to it."
            )


SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
"""Where Snakemake looks for a Snakefile."""

HISTORY = "runs.jsonl"
"""The history of runs, in the results folder."""


def find_snakefile(start: Path) -> tuple[Path, Path]:
    """Return the folder of the project that a folder belongs to, and its Snakefile.

    The project is the nearest folder upwards with a Snakefile. Elsewhere it is the folder itself, run by the
    checkout that the package is installed from. Raises `UserError` if there is neither.
    """
    if nearest := _nearest(start, SNAKEFILES):
        return nearest
    snakefile = Path(__file__).parents[3] / "Snakefile"
    if snakefile.is_file():
        return start, snakefile
    raise UserError(
        f"There is no Snakefile in {start} or above it: go to the folder of your project, or name it with "
        "--snakefile."
    )


def find_results(start: Path) -> Path:
    """Return the nearest results folder upwards that has a history of runs: a folder, or results/ in it.

    Without one, the only folder in results/ that has one, such as that of the demo. Raises
    `UserError` if there is none.
    """
    if nearest := _nearest(start, (HISTORY, f"results/{HISTORY}")):
        return nearest[1].parent
    below = sorted(start.glob(f"results/*/{HISTORY}"))
    if len(below) == 1:
        return below[0].parent
    raise UserError(
        f"There is no history of runs in {start}, its results/ or a folder above. The first finished run "
        "starts it. If your results are elsewhere, name their folder with --results."
    )


def _nearest(start: Path, names: tuple[str, ...]) -> tuple[Path, Path] | None:
    """Return the nearest folder upwards with one of these files, and the file."""
    places = ((folder, folder / name) for folder in (start, *start.parents) for name in names)
    return next(((folder, file) for folder, file in places if file.is_file()), None)


def stop(message: str) -> NoReturn:
    """End the process with a message instead of a stack trace."""
    sys.exit(f"Error: {message}")
