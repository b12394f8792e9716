"""All of config.yaml, and its smaller sections, such as `training` and `evaluation`."""

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from rabbithole.config.base import Amount, DatasetName, Fraction, ModelName, Positive, Section, Seed
from rabbithole.config.datasets import Dataset
from rabbithole.config.text import Alice
from rabbithole.io.addresses import storage_address
from rabbithole.models.settings import CombinationSettings, ModelSettings
from rabbithole.specs.data import Source, source_in_home


class Training(Section):
    """How the networks are trained."""

    batch_size: int = Field(
        1024,
        ge=1,
        le=1_048_576,
        description="Sessions per step. Smaller where train has too few sessions for a hundred steps "
        "(target `buyer` only).",
    )
    epochs: int = Field(
        5, ge=1, le=10_000, description="Maximum number of passes over train, or of parts of a large one."
    )
    epoch_sessions: int = Field(
        2_500_000,
        ge=1_000,
        le=1_000_000_000,
        description="Sessions of an epoch, at most. A larger train is divided at random into equal parts, "
        "and each epoch takes the next one, so that training does not grow with the log. Every session comes "
        "once before any comes twice.",
    )
    patience: Positive = Field(
        3,
        description="Training stops after this many epochs without a better valid AUC (target `next_event`: "
        "cross-entropy). The best epoch is kept.",
    )
    unseen_share: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Fraction of train's codes that are masked as `unseen`, so that the models learn what "
        "an unseen value means. Above 0, half of the rare items are masked too.",
    )
    tune: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Minutes of a search for better settings, for each model and seed: up to 12 trainings "
        "with settings drawn at random; valid chooses the best. For logs of fewer than some 2,000 buyers. No "
        "training begins once the minutes have passed, so the choice may depend on the machine's speed. "
        "Target `buyer` only. null: no search.",
    )
    checkpoint_minutes: float = Field(
        5.0,
        ge=0,
        le=10_000,
        description="Minutes between two saves of a network's training state, from which a killed training "
        "continues. It is also saved after an epoch, unless the last save is younger than ten seconds. 0: "
        "after every batch. Changes no result, so it reruns nothing.",
    )


class Evaluation(Section):
    """How the models are evaluated."""

    steps: list[Positive] = Field(
        default=[1, 2, 3, 5, 10, 20, 50],
        min_length=1,
        description="For each k, sessions of at least k events are scored after their first k events, as "
        "running sessions. A k beyond `windows.length` is ignored.",
    )
    contact_cost: Amount = Field(
        1.0, description="Cost of contacting one session, in any currency; for the campaign table."
    )
    sale_worth: Amount = Field(50.0, description="Worth of one sale, in the same currency.")


RESERVED_NAMES = ("alice", "benchmarks", "demo", "logs", "monitor", "predict", "report", "runs")
"""Folders of results/ that are not data sets."""

RESERVED_MODELS = (
    *("raw", "events", "rejected", "sessions", "windows", "oracle", "most_frequent", "markov"),
    *("ensemble", "model", "predictions"),
)
"""Names in a data set's folder that are not models of the user's own."""


class Style(Section):
    """How figures look."""

    width: float = Field(4.8, gt=1, le=20, description="Width of a figure, in inches.")
    font_size: float = Field(10, gt=3, le=30, description="Font size, in points.")


class Report(Section):
    """The report."""

    title: str = Field("Who will buy?", min_length=1, description="Heading of the page.")
    style: Style = Style()


class Spark(Section):
    """Where Spark runs. It changes no result, so it reruns nothing."""

    master: str = Field(
        "local",
        pattern=r"^(local|yarn|(spark|k8s|sc)://.+)$",
        description="`local`, or the address of a cluster: `spark://host:port`, `yarn`, `k8s://...`, "
        "`sc://host:port`.",
    )
    conf: dict[str, str] = Field(default={}, description="Further Spark settings, passed through.")
    threads: int = Field(1, ge=1, le=4096, description="Cores of each Spark step.")
    memory_mb: int = Field(3000, ge=1000, le=100_000_000, description="Memory of each Spark step, in MB.")


class Prediction(Section):
    """A further log that a packaged model scores; `snakemake` writes its scores."""

    model: str = Field(description="The data set whose packaged model scores the log.")
    log: Source = Field(description="The log, as in `datasets.*.source`, in the format of that data set.")
    max_rejected: Fraction | None = Field(
        None,
        description="Fraction of lines that may be unreadable. null: as for the data set.",
    )

    @field_validator("log")
    @classmethod
    def log_in_home(cls, log: Source) -> Source:
        """Read `~` as the user's home."""
        return source_in_home(log)


class Monitoring(Prediction):
    """A later log, with its purchases, that shows how a packaged model does; `snakemake` writes the page."""

    scores: list[str] = Field(
        default=[],
        description="Earlier scores (Parquet), such as results/predict/NAME/scores.parquet. None: the ended "
        "sessions of the log are scored now.",
    )


class Settings(Section):
    """All settings."""

    data_seed: Seed = Field(
        0, description="Seed of the simulator, the random split, text samples and explanations."
    )
    training_seeds: list[Seed] = Field(
        default=[0], min_length=1, description="Each purchase model is trained once with each seed."
    )
    datasets: dict[DatasetName, Dataset] = Field(
        min_length=1, description="Click logs, each under a name of your choice. null: left out."
    )
    models: dict[ModelName, SerializeAsAny[ModelSettings]] = Field(
        min_length=1,
        description="Purchase models, each under the name of its file in src/rabbithole/models/, or with a "
        "`file` of your own under any other name. null: left out.",
    )
    predict: dict[DatasetName, Prediction] = Field(
        default={}, description="Further logs to score, each under a name of your choice."
    )
    monitor: dict[DatasetName, Monitoring] = Field(
        default={}, description="Later logs to watch a model with, each under a name of your choice."
    )
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    alice: Alice | None = Field(Alice(), description="The text branch. null: left out.")
    report: Report = Report()
    spark: Spark = Spark()
    storage: str | None = Field(
        None,
        description="Where events, rejected lines, sessions, windows and scores lie: an address such as "
        "`s3://bucket/shop` (also gs, abfs, hdfs, file). null: in the results folder. It changes no result, "
        "so it reruns nothing: data that are there already stay where they are.",
    )

    @field_validator("storage")
    @classmethod
    def storage_is_an_address(cls, storage: str | None) -> str | None:
        """Refuse what is not an address, and an address that holds a key."""
        return None if storage is None else storage_address(storage)

    @model_validator(mode="after")
    def fits_together(self) -> "Settings":
        """Refuse values that are valid alone but not together."""
        for name in self.datasets:
            if name in RESERVED_NAMES:
                raise ValueError(f"datasets.{name}: this name is a folder of results/ already; take another")
            if name in self.models:
                raise ValueError(f"datasets.{name}: a model has the same name; take another")
        for name in self.models:
            if name in RESERVED_MODELS:
                raise ValueError(f"models.{name}: this name is used in results/ already; take another")
            combined = [other for other in self.models if other != name]
            if isinstance(self.models[name], CombinationSettings) and len(combined) < 2:
                raise ValueError(
                    f"models.{name}: it combines the other models, and needs two or more of them; "
                    f"there {'is ' + combined[0] if combined else 'are none'}. Name more, or leave {name} out"
                )
        for section, logs in (("predict", self.predict), ("monitor", self.monitor)):
            for name, log in logs.items():
                dataset = self.datasets.get(log.model)
                if dataset is None or dataset.target != "buyer":
                    raise ValueError(f"{section}.{name}.model: must be a data set whose target is `buyer`")
        for key, values in (
            ("training_seeds", self.training_seeds),
            ("evaluation.steps", self.evaluation.steps),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{key}: a value appears twice")
        return self
