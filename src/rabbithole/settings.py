"""One closed, typed, described model per section of config.yaml."""

from difflib import get_close_matches
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]

Seed = Annotated[int, Field(ge=0, lt=2**32)]

FOLDERS_OF_RESULTS = ("alice", "benchmarks", "logs", "report")


class Section(BaseModel):
    """A part of config.yaml: unknown keys and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Simulation(Section):
    """How much the simulator makes where `source` is `simulate`."""

    sessions: int = Field(60_000, ge=100, description="Sessions (Retailrocket: visitors) to simulate.")


class Sessions(Section):
    """What a session is."""

    by: Literal["session", "visitor"] = Field(
        description="Gather events by the log's own session id, or by visitor (one session a visitor)."
    )
    gap_minutes: float | None = Field(
        None,
        gt=0,
        description="With `by: visitor`: a longer pause, in minutes, begins a new session. null: never.",
    )
    cost: Literal["event", "purchases"] = Field(
        description="An event's cost: its own (`event`), or its item's last price in a purchase made before "
        "the session began (`purchases`)."
    )
    open_horizon_hours: float = Field(
        1.0,
        ge=0,
        description="Without a gap: a session is open if its last event before a purchase is this close, in "
        "hours, to the end of the log.",
    )
    keep_open: bool = Field(
        False,
        description="Sessions open at the end of the log keep their label (true) or are left out (false).",
    )

    @model_validator(mode="after")
    def gap_needs_visitor(self) -> "Sessions":
        """Refuse a gap where the log's own sessions are used."""
        if self.gap_minutes is not None and self.by != "visitor":
            raise ValueError("gap_minutes needs `by: visitor`: the log's own sessions are not cut again")
        return self


class Split(Section):
    """Which sessions train, which choose the epoch, which judge."""

    by: Literal["time", "hash"] = Field(
        "time",
        description="`time`: by start of session, oldest to train; `hash`: at random by visitor (by session "
        "id where the log has no visitor).",
    )
    shares: list[Share] = Field(
        default=[0.8, 0.1, 0.1],
        min_length=3,
        max_length=3,
        description="Shares of train, valid and test; sum 1.",
    )

    @field_validator("shares")
    @classmethod
    def shares_sum_to_one(cls, shares: list[float]) -> list[float]:
        """Refuse shares that do not sum to 1, or an empty part."""
        if abs(sum(shares) - 1) > 1e-9 or min(shares) == 0:
            raise ValueError(f"the three shares must be above 0 and sum to 1, not {sum(shares):g}")
        return shares


class Windows(Section):
    """What of a session the models see."""

    length: int = Field(100, ge=1, le=10_000, description="Steps: the last so many events of a session (T1).")
    minimum_item_count: int = Field(
        5, ge=1, description="Items seen less often in train share one code, `rare`."
    )


class Augmentation(Section):
    """More training examples from the same sessions (T2); touches train alone."""

    prefixes: bool = Field(
        True, description="Learn from every prefix of a session too, as a session still running."
    )
    event_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of events dropped at random from training sessions in each epoch."
    )


class Dataset(Section):
    """One click log and what is made of it."""

    format: Literal["yoochoose", "retailrocket"] = Field(description="The raw format of the log.")
    source: str | dict[str, str | list[str]] = Field(
        "simulate",
        description="`simulate`; or the folder that holds the files under their published names; or a "
        "mapping from role to file. Files may be plain, .gz, .zip or .7z.",
    )
    simulate: Simulation = Field(Simulation(), description="Used where source is `simulate`.")
    timezone: str = Field(
        "UTC", description="The shop's time zone (IANA name): hour and weekday are read in it."
    )
    max_rejected: Share = Field(
        0.001, description="Share of lines that may be unreadable; above it the run stops."
    )
    drop_duplicates: bool = Field(True, description="Drop (and count) rows that repeat another exactly.")
    sessions: Sessions
    split: Split = Split()
    windows: Windows = Windows()
    balance: Literal["none", "undersample", "oversample", "class_weight"] = Field(
        "none",
        description="How train's few buyers are balanced (T3). Scores are corrected to the natural share.",
    )
    augmentation: Augmentation = Augmentation()
    published: str | None = Field(
        None, description="A published figure under the same protocol, shown beside ours for a real log."
    )

    @field_validator("timezone")
    @classmethod
    def timezone_exists(cls, name: str) -> str:
        """Refuse a name that the time zone database does not have."""
        if name not in available_timezones():
            near = [zone for zone in sorted(available_timezones()) if zone.lower() == name.lower()]
            near = near or get_close_matches(name, available_timezones(), 1)
            raise ValueError("not a time zone" + (f"; did you mean {near[0]}?" if near else ""))
        return name

    @model_validator(mode="after")
    def log_has_visitors(self) -> "Dataset":
        """Refuse sessions by visitor where the log's format names none."""
        if self.format == "yoochoose" and self.sessions.by == "visitor":
            raise ValueError("sessions.by: a yoochoose log names no visitors, so it must be `session`")
        return self

    @property
    def has_oracle(self) -> bool:
        """Whether the best possible score is known: simulated, with sessions and events as they were."""
        simulated_by = {"yoochoose": "session", "retailrocket": "visitor"}[self.format]
        return (
            self.source == "simulate"
            and self.sessions.by == simulated_by
            and self.sessions.gap_minutes is None
            and self.drop_duplicates
        )


class Network(Section):
    """A network of `src/rabbithole/models/`, trained by gradient descent."""

    kind: Literal["network"]
    embedding_width: Positive = Field(32, description="Numbers per item; the other fields take fewer.")
    width: Positive = Field(64, description="Units of each hidden layer.")
    layers: Positive = Field(
        1, description="Stacked recurrent layers, or rounds of dilations of a convolution."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of units dropped while training.")
    learning_rate: float = Field(0.003, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, description="Weight decay of AdamW.")


class Trees(Section):
    """A gradient-boosting baseline on session aggregates."""

    kind: Literal["trees"]
    learning_rate: float = Field(0.05, gt=0, description="Shrinkage of each tree.")
    iterations: Positive = Field(300, description="Trees at most; early stopping on valid may end before.")
    leaves: int = Field(15, ge=2, description="Leaves of each tree at most.")


class Training(Section):
    """How the networks are trained."""

    batch_size: Positive = Field(1024, description="Sessions a step.")
    epochs: Positive = Field(5, description="Passes over train at most.")
    patience: Positive = Field(
        3, description="Stop after so many epochs without a better valid AUC; the best epoch is kept."
    )
    unseen_share: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of train's codes replaced by `unseen`, so that it is learned too.",
    )
    checkpoint_minutes: float = Field(
        5.0,
        ge=0,
        description="A network's state is saved after so many minutes, and after epochs that end ten "
        "seconds or more after the last save; training that was killed goes on from there. Changes no "
        "result, so it reruns nothing. 0: after every batch.",
    )


class Evaluation(Section):
    """How the models are judged."""

    steps: list[Positive] = Field(
        default=[1, 2, 3, 5, 10, 20, 50],
        min_length=1,
        description="Events seen: for each k, sessions of at least k events are judged after their first k; "
        "k beyond windows.length is passed over.",
    )


class Package(Section):
    """A source distribution that holds the book, for users without a way to the address."""

    name: str = Field(description="Name of the package in the Python package index.")
    version: str = Field(description="Its version.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the source distribution.")
    member: str = Field(description="Path of the text inside of it.")


class DeckText(Section):
    """The deck's own text network: GRU, dropout, softmax over the next character of a window."""

    window: Positive = Field(100, description="Characters in the window.")
    width: Positive = Field(64, description="Units of the GRU.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of units dropped while training.")
    learning_rate: float = Field(0.001, gt=0, description="Step size of Adam.")
    batch_size: Positive = Field(128, description="Windows a step.")
    epochs: Positive = Field(2, description="Passes over the text.")


class CharGru(Section):
    """Our text network: embedding, GRU, a loss at every step, state carried along."""

    embedding_width: Positive = Field(32, description="Numbers per character.")
    width: Positive = Field(256, description="Units of each GRU layer.")
    layers: Positive = Field(1, description="Stacked GRU layers.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of units dropped while training.")
    learning_rate: float = Field(0.003, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, description="Weight decay of AdamW.")
    batch_size: Positive = Field(16, description="Parallel streams of text.")
    steps: Positive = Field(64, description="Characters per stream between two updates.")
    epochs: Positive = Field(12, description="Passes over the text.")


class TextModels(Section):
    """The two text networks."""

    deck: DeckText = DeckText()
    char_gru: CharGru = CharGru()


class Alice(Section):
    """The book, what learns it, and what is asked of them."""

    source: str = Field(description="Address or path of the text.")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest that the text must have; null: any."
    )
    package: Package | None = Field(None, description="Where the text comes from if `source` can't be had.")
    lower_case: bool = Field(True, description="Lower-case the book, as in the deck.")
    models: TextModels = TextModels()
    seed_text: str = Field(min_length=1, description="What the samples write on from.")
    temperatures: list[Annotated[float, Field(gt=0)]] = Field(
        default=[0.2, 0.5, 0.8, 1.0],
        min_length=1,
        description="One sample each; low is timid, 1 is as learned.",
    )
    length: Positive = Field(400, description="Characters of each sample.")


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
