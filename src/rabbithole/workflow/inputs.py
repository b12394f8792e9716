"""Inputs of the comparison, figure and report rules, derived from the settings."""

from collections.abc import Callable
from dataclasses import dataclass

from rabbithole.specs.base import to_json
from rabbithole.specs.evaluation import OracleGapSources
from rabbithole.specs.report import AliceSources, DatasetSources, NextEventSources
from rabbithole.workflow.project import FIGURES, TEXT_MODELS, Project, Run, Wildcards, without_fold

Named = dict[str, str]
"""Files by the name of a run or a model."""

SCORES = "scores.parquet"
CART_SCORES = "cart_scores.parquet"


def as_json(files: Callable[[Wildcards], list[str]]) -> Callable[[Wildcards], str]:
    """Return a function for a rule's params: from wildcards to the files of an input function as JSON."""
    return lambda wildcards: to_json(files(wildcards))


@dataclass(frozen=True)
class RuleInputs:
    """Which files the rules read, by rule. Where a rule needs the files' names too, they come as JSON."""

    project: Project

    def raw_files(self, wildcards: Wildcards) -> list[str]:
        """Return the user's raw files of a data set; none for a simulated log, or one at an address."""
        return self.project.raw[wildcards.dataset].paths

    def simulated_log(self, wildcards: Wildcards) -> list[str]:
        """Return the simulator's folder, if the data set is simulated."""
        simulated = self.project.dataset(wildcards).simulated
        return [self.project.path(wildcards.dataset, "raw")] if simulated else []

    def raw_content(self, wildcards: Wildcards) -> str:
        """Return a digest of the user's raw files: touching one reruns nothing, changing one does."""
        return self.project.raw[wildcards.dataset].content

    def raw(self, wildcards: Wildcards) -> str:
        """Return the folder of a simulated log; all folds have that of their data set."""
        return self.project.path(without_fold(wildcards.dataset), "raw")

    def events(self, wildcards: Wildcards) -> str:
        """Return the events; all folds have those of their data set."""
        return self.project.path(without_fold(wildcards.dataset), "events")

    def events_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of the events."""
        return f"{self.events(wildcards)}.json"

    def first_sessions(self, wildcards: Wildcards) -> str:
        """Return the sessions of a data set, as the first of its folds splits them."""
        return self._of_first_fold(wildcards.dataset, "sessions")

    def first_sessions_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of these sessions."""
        return f"{self.first_sessions(wildcards)}.json"

    def first_windows(self, wildcards: Wildcards) -> str:
        """Return the windows of a data set, or of the first of its folds."""
        return self._of_first_fold(wildcards.dataset, "windows")

    def first_windows_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of these windows."""
        return f"{self.first_windows(wildcards)}.json"

    def visitors(self, wildcards: Wildcards) -> list[str]:
        """Return the sessions with their manifest, if a visitor may have several."""
        sessions = self.project.path(wildcards.dataset, "sessions")
        return [sessions, f"{sessions}.json"] if self.project.dataset(wildcards).visitors_return else []

    def visitors_option(self, wildcards: Wildcards) -> list[str]:
        """Return the option of `score` that names the same sessions."""
        return ["--sessions", sessions[0]] if (sessions := self.visitors(wildcards)) else []

    def fold_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of a run on every fold, or those at the first add-to-cart."""
        file = f"{wildcards.scores}.parquet"
        return [
            self.project.path(fold, wildcards.run, file) for fold in self.project.folds(wildcards.dataset)
        ]

    def scores(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of every run of a data set."""
        return list(self._scores(wildcards.dataset).values())

    def named_scores(self, wildcards: Wildcards) -> str:
        """Return the scores of every run of a data set by name, as JSON."""
        return to_json(self._scores(wildcards.dataset))

    def seed_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of every seed of a model."""
        return [self._model(wildcards, f"seed-{seed}", SCORES) for seed in self.project.seeds]

    def seed_carts(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of every seed of a model at the first add-to-cart."""
        return [self._model(wildcards, f"seed-{seed}", CART_SCORES) for seed in self.project.seeds]

    def carts(self, wildcards: Wildcards) -> list[str]:
        """Return a run's scores at the first add-to-cart; the oracle has none."""
        run = wildcards.run
        return [] if run == "oracle" else [self.project.path(wildcards.dataset, run, CART_SCORES)]

    def carts_option(self, wildcards: Wildcards) -> list[str]:
        """Return the option of `evaluate` that names the run's scores at the first add-to-cart."""
        return ["--carts", *carts] if (carts := self.carts(wildcards)) else []

    def checkpoints(self, wildcards: Wildcards) -> list[str]:
        """Return the checkpoint of one seed of a model, or those of all seeds for the ensemble."""
        every = [f"seed-{seed}" for seed in self.project.seeds]
        seeds = every if wildcards.seeds == "ensemble" else [wildcards.seeds]
        return [self._model(wildcards, seed, "checkpoint") for seed in seeds]

    def members(self, wildcards: Wildcards) -> list[str]:
        """Return the checkpoints that a combination is made of: those of the same seed."""
        return list(self._members(wildcards).values())

    def members_json(self, wildcards: Wildcards) -> str:
        """Return the same checkpoints by model, as JSON."""
        return to_json(self._members(wildcards))

    def figure(self, wildcards: Wildcards) -> list[str]:
        """Return the files that a figure shows."""
        files: list[str] = []
        for source in self._figure(wildcards).values():
            files += [source] if isinstance(source, str) else source.values()
        return files

    def figure_json(self, wildcards: Wildcards) -> str:
        """Return the files that a figure shows as JSON: argument to file, or to files by name."""
        return to_json(self._figure(wildcards))

    def alice_histories(self) -> str:
        """Return the text models' histories as a figure takes them, as JSON."""
        return to_json({"histories": self._text("history.json")})

    def leak_probes(self) -> str:
        """Return the leak probes by data set, as JSON."""
        return to_json(
            {name: self._of_first_fold(name, "leak_probes.json") for name in self.project.datasets}
        )

    def oracle_scores(self, wildcards: Wildcards) -> list[str]:
        """Return the oracle's scores of a data set, if it has an oracle."""
        has_oracle = self.project.dataset(wildcards).has_oracle
        return [self.project.path(wildcards.dataset, "oracle", SCORES)] if has_oracle else []

    def oracle_option(self, wildcards: Wildcards) -> list[str]:
        """Return the option of `ablation` that names the oracle's scores, if the data set has an oracle."""
        scores = self.oracle_scores(wildcards)
        return ["--oracle", *scores] if scores else []

    def ablations(self) -> list[str]:
        """Return the ablation of every network on every data set."""
        return [path for networks in self._ablations().values() for path in networks.values()]

    def ablations_json(self) -> str:
        """Return the ablations by data set and network, as JSON."""
        return to_json(self._ablations())

    def oracle_gap(self) -> list[str]:
        """Return the files behind the table of distances to the oracle."""
        return [
            path
            for sources in self._oracle_gap().values()
            for path in (sources.windows, sources.comparison, *sources.metrics.values())
        ]

    def oracle_gap_json(self) -> str:
        """Return the same files by data set, as JSON."""
        return to_json({name: sources.model_dump() for name, sources in self._oracle_gap().items()})

    def page(self) -> list[str]:
        """Return every file that the page shows."""
        files: set[str] = set()
        for name in self.project.with_target("buyer"):
            data = self.of_dataset(name)
            files |= {data.events, *data.sessions, data.windows, data.comparison, *data.checks}
            for named in (data.metrics, data.histories, data.explanations, data.figures):
                files |= set(named.values())
        for name in self.project.with_target("next_event"):
            following = self.of_next_events(name)
            files |= {following.windows, following.checks}
            files |= {*following.metrics.values(), *following.histories.values()}
        if alice := self.of_alice():
            for named in (alice.metrics, alice.histories, alice.samples, alice.figures):
                files |= set(named.values())
        return sorted(files)

    def of_dataset(self, dataset: str) -> DatasetSources:
        """Return what the page shows of a data set whose target is the purchase."""
        settings = self.project.settings.datasets[dataset]
        return DatasetSources(
            simulated=settings.simulated,
            events=self.project.path(dataset, "events.json"),
            sessions=[self.project.path(fold, "sessions.json") for fold in self.project.folds(dataset)],
            windows=self._of_first_fold(dataset, "windows.json"),
            metrics=self._named(dataset, "metrics.json", self.project.scored_runs(dataset)),
            histories=self._histories(dataset),
            explanations=self._explanations(dataset),
            comparison=self.project.path(dataset, "comparison.json"),
            checks=[self.project.path(fold, "checks.json") for fold in self.project.folds(dataset)],
            published=settings.published_figure,
            figures={name: self.project.path(f"report/figures/{dataset}-{name}.svg") for name in FIGURES},
        )

    def of_next_events(self, dataset: str) -> NextEventSources:
        """Return what the page shows of a data set whose target is the next event."""
        runs = self.project.next_event_runs(dataset)
        return NextEventSources(
            simulated=self.project.settings.datasets[dataset].simulated,
            windows=self.project.path(dataset, "windows.json"),
            metrics=self._named(dataset, "next_event.json", runs),
            histories=self._named(dataset, "history.json", [run for run in runs if run.trained]),
            checks=self.project.path(dataset, "checks.json"),
        )

    def of_alice(self) -> AliceSources | None:
        """Return what the page shows of the text models; None if the settings leave them out."""
        if self.project.settings.alice is None:
            return None
        return AliceSources(
            metrics=self._text("metrics.json"),
            histories=self._text("history.json"),
            samples=self._text("samples.json"),
            figures={"alice_learning": self.project.path("report/figures/alice_learning.svg")},
        )

    def _figure(self, wildcards: Wildcards) -> dict[str, str | Named]:
        dataset = wildcards.dataset
        match wildcards.figure:
            case "lengths":
                return {"sessions": self._of_first_fold(dataset, "sessions")}
            case "learning":
                return {"histories": self._histories(dataset)}
            case "importance":
                return {"explanations": self._explanations(dataset)}
            case "journeys":
                oracle = self.oracle_scores(wildcards)
                sources: dict[str, str | Named] = {"explanations": self._explanations(dataset)}
                return sources | ({"oracle": oracle[0]} if oracle else {})
            case _:
                return {"metrics": self._named(dataset, "metrics.json", self.project.scored_runs(dataset))}

    def _members(self, wildcards: Wildcards) -> Named:
        seed = f"seed-{wildcards.seed}"
        return {
            name: self.project.path(wildcards.dataset, name, seed, "checkpoint")
            for name in self.project.members
        }

    def _scores(self, dataset: str) -> Named:
        return self._named(dataset, SCORES, self.project.scored_runs(dataset))

    def _explanations(self, dataset: str) -> Named:
        """Return the explanation of each model's first seed, in the first fold."""
        first = f"seed-{self.project.seeds[0]}"
        runs = [run for run in self.project.trained_runs() if run.folder.endswith(f"/{first}")]
        return self._named(self.project.folds(dataset)[0], "explanation.json", runs)

    def _histories(self, dataset: str) -> Named:
        """Return the history of each trained run: with folds, that of the first."""
        return self._named(self.project.folds(dataset)[0], "history.json", self.project.trained_runs())

    def _of_first_fold(self, dataset: str, file: str) -> str:
        """Return a file of a data set that each of its folds has: that of the first."""
        return self.project.path(self.project.folds(dataset)[0], file)

    def _ablations(self) -> dict[str, Named]:
        return {
            dataset: {
                network: self._of_first_fold(dataset, f"{network}/ablation.json")
                for network in self.project.networks
            }
            for dataset in self.project.with_target("buyer")
        }

    def _oracle_gap(self) -> dict[str, OracleGapSources]:
        return {
            dataset: OracleGapSources(
                windows=self._of_first_fold(dataset, "windows.json"),
                comparison=self.project.path(dataset, "comparison.json"),
                metrics=self._named(dataset, "metrics.json", self.project.scored_runs(dataset)),
            )
            for dataset in self.project.with_target("buyer")
        }

    def _named(self, dataset: str, file: str, runs: list[Run]) -> Named:
        return {run.name: self.project.path(dataset, run.folder, file) for run in runs}

    def _text(self, file: str) -> Named:
        return {model: self.project.path("alice", model, file) for model in TEXT_MODELS}

    def _model(self, wildcards: Wildcards, *parts: str) -> str:
        return self.project.path(wildcards.dataset, wildcards.model, *parts)
