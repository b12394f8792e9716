"""The spec of each rule's step as JSON: exactly the settings that the step reads."""

from dataclasses import dataclass

from rabbithole.config.dataset_sections import Split
from rabbithole.config.model_files import package_settings
from rabbithole.config.settings import Prediction, Training
from rabbithole.config.text import Alice
from rabbithole.formats.base import raw_format
from rabbithole.models.settings import ModelSettings, NetworkSettings
from rabbithole.specs.base import JsonObject
from rabbithole.specs.data import (
    EventsSpec,
    Fold,
    OracleSpec,
    SessionsSpec,
    SimulateSpec,
    SplitSpec,
    WindowsSpec,
)
from rabbithole.specs.evaluation import AblationSpec, EvaluateSpec, LeakProbeSpec
from rabbithole.specs.report import FigureStyle, PageSpec
from rabbithole.specs.serving import PackageModelSpec, PredictSpec
from rabbithole.specs.table import minimum_counts
from rabbithole.specs.text import (
    BookSpec,
    CharGruSettings,
    DeckSettings,
    PackageSpec,
    SampleTextSpec,
    TrainTextSpec,
)
from rabbithole.specs.training import (
    AugmentationSpec,
    BlendSpec,
    EstimatorTraining,
    ExplainSpec,
    NetworkTraining,
    ScoreSpec,
    TrainSpec,
)
from rabbithole.workflow.inputs import RuleInputs
from rabbithole.workflow.project import FOLD, Project, Wildcards, without_fold

PROBE_SESSIONS = 100_000
"""Sessions per split that the leak probes look at."""

PROBE_EPOCHS = 2


@dataclass(frozen=True)
class StepSpecs:
    """Specs by rule. Snakemake compares them as text, so they are JSON with sorted keys."""

    project: Project

    def simulate(self, wildcards: Wildcards) -> str:
        """Return the spec of `simulate`."""
        dataset, seed = self.project.dataset(wildcards), self.project.settings.data_seed
        shop = raw_format(dataset.format).simulator
        assert shop is not None, "the settings refuse a simulated log of such a format"
        return SimulateSpec(shop=shop, sessions=dataset.simulate.sessions, seed=seed).to_json()

    def events(self, wildcards: Wildcards) -> str:
        """Return the spec of `events`, the raw log's place included."""
        dataset = self.project.dataset(wildcards)
        raw = self.project.path(wildcards.dataset, "raw")
        return EventsSpec(
            format=dataset.format,
            source=raw if dataset.simulated else dataset.source,
            max_rejected=dataset.max_rejected,
            drop_duplicates=dataset.drop_duplicates,
            table=dataset.table_log,
            hash_ids=dataset.hash_ids,
        ).to_json()

    def sessions(self, wildcards: Wildcards) -> str:
        """Return the spec of `sessions`. The seed counts only where something is drawn by hash."""
        return self._sessions(wildcards.dataset).to_json()

    def _sessions(self, name: str) -> SessionsSpec:
        dataset = self.project.settings.datasets[without_fold(name)]
        by_hash = dataset.split.by != "time" or dataset.sessions.sample < 1
        return SessionsSpec(
            **dataset.sessions.model_dump(exclude={"keep_open"}),
            split=split_spec(dataset.split, name),
            seed=self.project.settings.data_seed if by_hash else 0,
            history=dataset.history_events,
        )

    def windows(self, wildcards: Wildcards) -> str:
        """Return the spec of `windows`."""
        dataset = self.project.dataset(wildcards)
        return WindowsSpec(
            length=dataset.windows.length,
            minimum_item_count=dataset.windows.minimum_item_count,
            minimum_counts=minimum_counts((dataset.table or {}).values()),
            fields=dataset.window_fields,
            timezone=dataset.timezone,
            keep_open=dataset.sessions.keep_open,
        ).to_json()

    def oracle(self, wildcards: Wildcards) -> str:
        """Return the spec of `oracle`."""
        dataset = self.project.dataset(wildcards)
        returning = raw_format(dataset.format).simulated_gap_minutes is not None
        return OracleSpec(
            window=dataset.windows.length,
            steps=self.project.evaluated_steps(dataset),
            keep_open=dataset.sessions.keep_open,
            earlier_sessions=dataset.history_events > 0 if returning else None,
        ).to_json()

    def train(self, wildcards: Wildcards) -> str:
        """Return the spec of `train`. Only networks read how networks are trained."""
        dataset, training = self.project.dataset(wildcards), self.project.settings.training
        model = self.project.settings.models[wildcards.model]
        return TrainSpec(
            model=wildcards.model,
            settings=model_settings(model),
            training=network_training(training)
            if isinstance(model, NetworkSettings)
            else EstimatorTraining(unseen_share=training.unseen_share),
            balance=dataset.balance,
            augmentation=AugmentationSpec(**dataset.augmentation.model_dump()),
            target=dataset.target,
            seed=int(wildcards.seed),
            tune=training.tune if dataset.target == "buyer" else None,
        ).to_json()

    def blend(self, wildcards: Wildcards) -> str:
        """Return the spec of `blend`."""
        model = self.project.settings.models[wildcards.model]
        return BlendSpec(model=wildcards.model, settings=model_settings(model)).to_json()

    def score(self, wildcards: Wildcards) -> str:
        """Return the spec of `score`, and of the next-event rules."""
        steps = self.project.evaluated_steps(self.project.dataset(wildcards))
        return ScoreSpec(steps=steps).to_json()

    def package_model(self, wildcards: Wildcards) -> str:
        """Return the spec of `package_model`. The log's place is left out: the model goes elsewhere."""
        evaluation = self.project.settings.evaluation
        return PackageModelSpec(
            dataset=wildcards.dataset,
            model=None,
            seed=None,
            # The model reads other logs, whose ids the shop needs in its scores.
            events=EventsSpec.parse(self.events(wildcards)).model_copy(
                update={"source": "", "hash_ids": None}
            ),
            sessions=self._sessions(self.project.folds(wildcards.dataset)[0]),
            contact_cost=evaluation.contact_cost,
            sale_worth=evaluation.sale_worth,
        ).to_json()

    def predict(self, wildcards: Wildcards) -> str:
        """Return the spec of `predict`."""
        return _predict_spec(self.project.settings.predict[wildcards.prediction]).to_json()

    def monitor(self, wildcards: Wildcards) -> str:
        """Return the spec of `monitor`."""
        return _predict_spec(self.project.settings.monitor[wildcards.monitored]).to_json()

    def explain(self) -> str:
        """Return the spec of `explain`."""
        return ExplainSpec(seed=self.project.settings.data_seed).to_json()

    def evaluate(self) -> str:
        """Return the spec of `evaluate`."""
        return EvaluateSpec(**self.project.settings.evaluation.model_dump(exclude={"steps"})).to_json()

    def leak_probe(self) -> str:
        """Return the spec of `leak_probe`: a GRU of the default size, whatever models are configured."""
        return LeakProbeSpec(
            model="gru",
            settings=model_settings(package_settings("gru")()),
            training=network_training(Training(epochs=PROBE_EPOCHS)),
            sessions=PROBE_SESSIONS,
            seed=self.project.settings.data_seed,
        ).to_json()

    def ablation(self, wildcards: Wildcards) -> str:
        """Return the spec of `ablation`."""
        model = self.project.settings.models[wildcards.model]
        return AblationSpec(
            model=wildcards.model,
            settings=model_settings(model),
            training=network_training(self.project.settings.training),
            seeds=tuple(self.project.seeds),
            steps=self.project.evaluated_steps(self.project.dataset(wildcards)),
        ).to_json()

    def book(self) -> str:
        """Return the spec of `book`."""
        alice = self._alice
        package = PackageSpec(**alice.package.model_dump()) if alice.package else None
        return BookSpec(source=alice.source, sha256=alice.sha256, package=package).to_json()

    def train_text(self, wildcards: Wildcards) -> str:
        """Return the spec of `train_text`."""
        alice = self._alice
        settings = (
            DeckSettings(**alice.models.deck.model_dump())
            if wildcards.text_model == "deck"
            else CharGruSettings(**alice.models.char_gru.model_dump())
        )
        return TrainTextSpec(
            model=wildcards.text_model,
            settings=settings,
            lower=alice.lower_case,
            seed=self.project.settings.data_seed,
        ).to_json()

    def sample_text(self) -> str:
        """Return the spec of `sample_text`."""
        alice = self._alice
        return SampleTextSpec(
            seed_text=alice.seed_text,
            temperatures=tuple(alice.temperatures),
            length=alice.length,
            seed=self.project.settings.data_seed,
        ).to_json()

    @property
    def _alice(self) -> Alice:
        alice = self.project.settings.alice
        assert alice is not None, "the rules of the text branch are left out without it"
        return alice

    def style(self) -> str:
        """Return how figures look."""
        return FigureStyle(**self.project.settings.report.style.model_dump()).to_json()

    def page(self) -> str:
        """Return the spec of `page`. Settings that change no result are left out."""
        inputs, settings = RuleInputs(self.project), self.project.settings
        return PageSpec(
            title=settings.report.title,
            datasets={name: inputs.of_dataset(name) for name in self.project.with_target("buyer")},
            next_events={
                name: inputs.of_next_events(name) for name in self.project.with_target("next_event")
            },
            alice=inputs.of_alice(),
            settings=settings.model_dump(
                mode="json",
                exclude={"spark": True, "storage": True, "training": {"checkpoint_minutes"}},
            ),
        ).to_json()


def _predict_spec(log: Prediction) -> PredictSpec:
    return PredictSpec(source=log.log, max_rejected=log.max_rejected)


def split_spec(split: Split, name: str) -> SplitSpec:
    """Return how the sessions of a data set are split, or those of one of its folds."""
    if not split.folds:
        train, valid, test = split.shares
        return SplitSpec(by=split.by, shares=(train, valid, test))
    fold = Fold(number=int(name.rpartition(FOLD)[2]), count=split.count)
    return SplitSpec(by="folds", shares=(1 - 2 / split.count, 1 / split.count, 1 / split.count), fold=fold)


def model_settings(model: ModelSettings) -> JsonObject:
    """Return a model's own settings as its step reads them; the file's content is in the code digest."""
    settings: JsonObject = model.model_dump(mode="json", exclude={"file"})
    return settings


def network_training(training: Training) -> NetworkTraining:
    """Return how networks are trained, without what changes no result."""
    return NetworkTraining.model_validate(training.model_dump(exclude={"tune", "checkpoint_minutes"}))
