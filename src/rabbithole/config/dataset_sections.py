"""The sections of a data set: simulation, sessions, split, windows, augmentation and published figures."""

from typing import Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from rabbithole.config.base import Fraction, Positive, Section

STANDARD_FIELDS = ("event", "item", "category", "hour", "weekday", "month", "week", "dwell", "cost")
"""The fields that any log may have, in the order of `windows.fields`."""


class Simulation(Section):
    """How much is simulated where `source` is `simulate`."""

    sessions: int = Field(
        60_000,
        ge=100,
        le=1_000_000_000,
        description="Sessions to simulate (visitors if the log has no session ids).",
    )


class Sessions(Section):
    """What a session is, and which sessions are used."""

    by: Literal["session", "visitor"] = Field(
        "session", description="`session`: the log's own session id; `visitor`: one session per visitor."
    )
    gap_minutes: float | None = Field(
        None,
        gt=0,
        le=5_000_000,
        description="With `by: visitor`: a longer pause, in minutes, starts a new session. null: never.",
    )
    cost: Literal["event", "purchases"] = Field(
        "event",
        description="Cost of an event. `event`: the log's own at that time; `purchases`: the item's last "
        "price in a purchase before the session began.",
    )
    open_horizon_hours: float | None = Field(
        None,
        ge=0,
        le=100_000,
        description="A session whose last event (before the cut) is this close to the end of the log, in "
        "hours, is still open. With a gap, the gap is used, except with `until: first_cart`. null: 1 hour, "
        "24 hours for sessions by visitor, or the gap, but at most 2 % of the time that the log spans.",
    )
    keep_open: bool = Field(
        False, description="Open sessions keep their label (true), or are left out (false)."
    )
    until: Literal["purchase", "first_cart"] = Field(
        "purchase",
        description="What the models see. `purchase`: all events before the first purchase; `first_cart`: "
        "all events up to the first add-to-cart before it. Then sessions without a cart are excluded and "
        "counted.",
    )
    minimum_events: Positive = Field(
        1,
        description="Sessions with fewer events before the cut are excluded and counted. This changes the "
        "share of buyers.",
    )
    sample: float = Field(
        1.0, gt=0, le=1, description="Fraction of the sessions to draw, by hash of the visitor or session id."
    )

    @model_validator(mode="after")
    def gap_needs_visitor(self) -> "Sessions":
        """Refuse a gap where the log's own sessions are used."""
        if self.gap_minutes is not None and self.by != "visitor":
            raise ValueError("gap_minutes needs `by: visitor`: the log's own sessions are not cut again")
        return self


class Split(Section):
    """Which sessions are train, valid and test."""

    by: Literal["time", "hash", "folds"] = Field(
        "time",
        description="`time`: by start of the session, the oldest to train and the newest to test; `hash`: at "
        "random by visitor (by session id where the log has no visitors); `folds`: as by hash, but `count` "
        "times, so that each session is in test once. Each model is trained `count` times.",
    )
    count: int = Field(
        5, ge=3, le=50, description="Number of folds: one is test, the next valid, all others train."
    )
    shares: list[Fraction] = Field(
        default=[0.8, 0.1, 0.1],
        min_length=3,
        max_length=3,
        description="Fractions of train, valid and test; their sum is 1. By folds, `count` sets them.",
    )

    @field_validator("shares")
    @classmethod
    def shares_sum_to_one(cls, shares: list[float]) -> list[float]:
        """Refuse shares that do not sum to 1, and empty splits."""
        if abs(sum(shares) - 1) > 1e-9 or min(shares) == 0:
            raise ValueError(f"the three shares must be above 0 and sum to 1, not {sum(shares):.10g}")
        return shares

    @model_validator(mode="after")
    def shares_or_count(self) -> "Split":
        """Refuse shares where the number of folds sets them, and a number of folds without folds."""
        if self.by == "folds" and "shares" in self.model_fields_set:
            raise ValueError("shares: with `by: folds`, split.count sets them; leave them out")
        if self.by != "folds" and "count" in self.model_fields_set:
            raise ValueError("count: needs `by: folds`")
        return self

    @model_serializer(mode="wrap")
    def without_what_is_not_read(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out the shares with folds, and the number of folds without: they change nothing."""
        values: dict[str, object] = handler(self)
        unread = "shares" if self.folds else "count"
        return {key: value for key, value in values.items() if key != unread}

    @property
    def folds(self) -> int:
        """Return the number of folds, 0 for a single split."""
        return self.count if self.by == "folds" else 0


class Windows(Section):
    """What the models see of a session."""

    length: int = Field(
        100, ge=1, le=10_000, description="Events: the models see the last ones of each session."
    )
    minimum_item_count: int = Field(
        5, ge=1, le=1_000_000_000, description="Items with fewer events in train share one code, `rare`."
    )
    fields: list[str] | None = Field(
        None,
        min_length=1,
        description="Fields of an event that the models see: of "
        + ", ".join(f"`{name}`" for name in STANDARD_FIELDS)
        + ", and the log's further fields. null: all that the log holds. The oracle of a simulated log still "
        "sees all.",
    )
    history: bool | None = Field(
        None,
        description="Windows begin before the session (true), with events of the visitor's earlier sessions, "
        "at most `length` of them on top of the session's own, and with a field `sessions_ago`. Needs "
        "sessions `by: visitor` with a gap, or the log's own where it names visitors, too; also "
        "`cost: event` and the target `buyer`. null: true with a gap.",
    )

    @field_validator("fields")
    @classmethod
    def fields_differ(cls, fields: list[str] | None) -> list[str] | None:
        """Refuse a repeated field. The order has no meaning, so it is always the same."""
        if fields is None:
            return None
        if len(set(fields)) != len(fields):
            raise ValueError("a field appears twice")
        order = {name: place for place, name in enumerate(STANDARD_FIELDS)}
        return sorted(fields, key=lambda name: (order.get(name, len(order)), name))


class Published(Section):
    """A published figure, and its protocol as far as the settings describe it."""

    figure: str = Field(description="The figure in words: authors, model, value.")
    sessions: Sessions
    split: Split
    fields: list[str] | None = Field(None, description="As `windows.fields`.")


class Augmentation(Section):
    """Training-time augmentation. It touches train alone."""

    prefixes: bool = Field(True, description="Also train on every prefix of a session, as a running session.")
    event_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of events that are dropped at random from train's sessions in each epoch.",
    )
