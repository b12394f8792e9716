"""The section `datasets`: each click log and what is made of it."""

from difflib import get_close_matches
from typing import Literal, get_args
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from rabbithole.config.base import Fraction, Positive, Section

FieldName = Literal["event", "item", "category", "hour", "weekday", "month", "week", "dwell", "cost"]


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
        description="Without a gap, or at a cart: a session is open if its last event of those kept is "
        "this close, in hours, to the end of the log.",
    )
    keep_open: bool = Field(
        False,
        description="Sessions open at the end of the log keep their label (true) or are left out (false).",
    )

    until: Literal["purchase", "first_cart"] = Field(
        "purchase",
        description="What the models see of a session: all before its first `purchase`; or up to its "
        "`first_cart` before one, sessions without a cart left out and counted.",
    )
    minimum_events: Positive = Field(
        1, description="Sessions of fewer events before the cut are left out and counted."
    )
    sample: float = Field(
        1.0, gt=0, le=1, description="Share of the sessions that is drawn, by hash of the visitor or session."
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
    shares: list[Fraction] = Field(
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
    fields: list[FieldName] = Field(
        default=list(get_args(FieldName)),
        min_length=1,
        description="What the models see of an event; a field that is not named is missing everywhere.",
    )

    @field_validator("fields")
    @classmethod
    def fields_differ(cls, fields: list[FieldName]) -> list[FieldName]:
        """Refuse a field named twice; the order means nothing, so it is always the same."""
        if len(set(fields)) != len(fields):
            raise ValueError("a field stands there twice")
        return [name for name in get_args(FieldName) if name in fields]


class Published(Section):
    """A published figure, and the protocol under which it was made, as far as the settings tell it."""

    figure: str = Field(description="The figure, in words: who, what model, how much.")
    sessions: Sessions
    split: Split
    fields: list[FieldName] = Field(default=list(get_args(FieldName)), description="As windows.fields.")


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
    max_rejected: Fraction = Field(
        0.001, description="Share of lines that may be unreadable; above it the run stops."
    )
    drop_duplicates: bool = Field(True, description="Drop (and count) rows that repeat another exactly.")
    sessions: Sessions
    split: Split = Split()
    windows: Windows = Windows()
    target: Literal["buyer", "next_event"] = Field(
        "buyer",
        description="What the models learn to foretell: whether a session buys, or which event comes next "
        "(networks alone, beside counted baselines).",
    )
    balance: Literal["none", "undersample", "oversample", "class_weight"] = Field(
        "none",
        description="How train's few buyers are balanced (T3). Scores are corrected to the natural share.",
    )
    augmentation: Augmentation = Augmentation()
    published: Published | None = Field(
        None,
        description="A published figure, which the report of a real log shows beside ours while sessions, "
        "split and fields are those that it names, nothing is balanced, and the windows are the default's. "
        "null: none.",
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
    def log_holds_what_is_asked(self) -> "Dataset":
        """Refuse sessions by visitor or cart where the log's format names none."""
        if self.format == "yoochoose" and self.sessions.by == "visitor":
            raise ValueError("sessions.by: a yoochoose log names no visitors, so it must be `session`")
        if self.format == "yoochoose" and self.sessions.until == "first_cart":
            raise ValueError("sessions.until: a yoochoose log holds no carts, so it must be `purchase`")
        return self

    @model_validator(mode="after")
    def next_events_as_they_came(self) -> "Dataset":
        """Refuse what changes which event comes next, where that is the target."""
        if self.target == "next_event" and self.balance != "none":
            raise ValueError("balance: must be none with `target: next_event`; there are no two classes")
        if self.target == "next_event" and self.augmentation.event_dropout:
            raise ValueError("augmentation.event_dropout: must be 0 with `target: next_event`")
        if self.target == "next_event" and self.sessions.until != "purchase":
            raise ValueError("sessions.until: must be `purchase` with `target: next_event`")
        if self.target == "next_event" and "event" not in self.windows.fields:
            raise ValueError("windows.fields: must name `event` with `target: next_event`")
        return self

    @property
    def published_figure(self) -> str | None:
        """The published figure to show beside ours: none for a simulated log, or under another protocol."""
        told = self.published
        if told is None or self.source == "simulate":
            return None
        theirs = (told.sessions, told.split, Windows(fields=told.fields), "none")
        return told.figure if theirs == (self.sessions, self.split, self.windows, self.balance) else None

    @property
    def has_oracle(self) -> bool:
        """Whether the best possible score is known: simulated, with sessions and events as they were.

        To be judged at a cart, or only if more events follow, changes what a session's beginning tells. A
        sample changes nothing, and fields left out take nothing from the oracle: it is then a bound still.
        """
        simulated_by = {"yoochoose": "session", "retailrocket": "visitor"}[self.format]
        return (
            self.source == "simulate"
            and self.sessions.by == simulated_by
            and self.sessions.gap_minutes is None
            and self.sessions.until == "purchase"
            and self.sessions.minimum_events == 1
            and self.drop_duplicates
        )
