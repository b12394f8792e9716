"""All of config.yaml, and its smaller sections."""

from typing import Annotated

from pydantic import Field, model_validator

from rabbithole.config.base import Positive, Section, Seed
from rabbithole.config.datasets import Dataset
from rabbithole.config.models import Evaluation, Network, Training, Trees
from rabbithole.config.text import Alice

FOLDERS_OF_RESULTS = ("alice", "benchmarks", "logs", "report")


class Style(Section):
    """How figures look."""

    width: float = Field(6.4, gt=1, le=20, description="Width of a figure, in inches.")
    font_size: float = Field(10, gt=3, le=30, description="Size of its letters, in points.")


class Report(Section):
    """The page."""

    title: str = Field("Who will buy?", min_length=1, description="Heading of the page.")
    style: Style = Style()


class Spark(Section):
    """Where Spark runs; changes no result, so it reruns nothing."""

    master: str = Field(
        "local",
        pattern=r"^(local|yarn|(spark|k8s|sc)://.+)$",
        description="`local` (the rule's threads), or the address of a cluster.",
    )
    conf: dict[str, str] = Field(default={}, description="Further Spark settings, passed through.")
    threads: Positive = Field(1, description="Cores of each Spark step.")
    memory_mb: int = Field(3000, ge=1000, description="Memory of each Spark step, in MB.")


class Settings(Section):
    """All of config.yaml."""

    seed: Seed = Field(0, description="Seed of the simulator, the random split, the samples of text.")
    seeds: list[Seed] = Field(
        default=[0], min_length=1, description="Seeds of training: each model is trained once with each."
    )
    datasets: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_-]*$")], Dataset] = Field(
        min_length=1, description="Click logs, each under a name of your choice."
    )
    models: dict[
        Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")],
        Annotated[Network | Trees, Field(discriminator="kind")],
    ] = Field(
        min_length=1,
        description="Purchase models, each under the name of its file in src/rabbithole/models/.",
    )
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    alice: Alice
    report: Report = Report()
    spark: Spark = Spark()

    @model_validator(mode="after")
    def fits_together(self) -> "Settings":
        """Refuse what is right by itself but not together."""
        for name in self.datasets:
            if name in FOLDERS_OF_RESULTS:
                raise ValueError(f"datasets.{name}: this name is a folder of results/ already; take another")
            if name in self.models:
                raise ValueError(f"datasets.{name}: a model has the same name; take another")
        for key, values in (("seeds", self.seeds), ("evaluation.steps", self.evaluation.steps)):
            if len(set(values)) != len(values):
                raise ValueError(f"{key}: a value stands there twice")
        return self
