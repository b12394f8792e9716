"""The section `datasets`: each click log and how it is processed."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from rabbithole.config.base import Fraction, Section, checked_timezone
from rabbithole.config.dataset_sections import (
    STANDARD_FIELDS,
    Augmentation,
    Published,
    Sessions,
    Simulation,
    Split,
    Windows,
)
from rabbithole.formats.base import format_names, log_format, raw_format
from rabbithole.specs.base import expand_home
from rabbithole.specs.data import SESSIONS_AGO, Source, TableLog, source_in_home
from rabbithole.specs.table import Tables, all_field_kinds, category_path

SIMULATE = "simulate"
"""The source of a simulated log."""


class Dataset(Section):
    """One click log and how it is processed."""

    format: str = Field(
        description=f"Raw format of the log, one of {', '.join(f'`{n}`' for n in format_names())}."
    )
    source: Source = Field(
        "simulate",
        description="`simulate`; or the folder, archive or address that holds the files (under their "
        "published names); or a mapping from role to file, such as `{clicks: a.dat, buys: b.dat}`. With "
        "`table` also a file, a list of files or a pattern such as `data/*.csv`. Files may be plain, gz, "
        "bz2, xz, zst, zip or 7z, whatever their names.",
    )
    table: Tables | None = Field(
        None,
        description="With `format: table` or a preset: the tables of the log, each under a name of your "
        "choice. What stands here merges over the preset. Elsewhere null.",
    )
    simulate: Simulation = Simulation()
    timezone: str = Field(
        "UTC", description="The shop's time zone (IANA name). Hour, weekday, month and week are read in it."
    )
    max_rejected: Fraction = Field(
        0.001, description="Fraction of lines that may be unreadable. Above it the run stops."
    )
    drop_duplicates: bool = Field(True, description="Drop and count rows that repeat another row exactly.")
    hash_ids: str | None = Field(
        None,
        min_length=1,
        description="A file with a key of at least 32 random bytes. The ids of sessions and visitors are "
        "hashed under it as the log is read (HMAC-SHA-256), and lines that cannot be read are kept without "
        "their text. The key must lie outside the results. null: ids stay as they are.",
    )
    sessions: Sessions = Sessions()
    split: Split = Split()
    windows: Windows = Windows()
    target: Literal["buyer", "next_event"] = Field(
        "buyer",
        description="Prediction target. `buyer`: does the session contain a purchase? `next_event`: which "
        "event comes next, and of which category? (networks only, beside counting baselines)",
    )
    balance: Literal["none", "undersample", "oversample", "class_weight"] = Field(
        "none",
        description="How train's few buyers are balanced. Scores are corrected to the natural share of "
        "buyers.",
    )
    augmentation: Augmentation = Augmentation()
    published: Published | None = Field(
        None,
        description="A published figure. The report of a real log shows it while sessions, split and fields "
        "are those of `published`, with `balance: none` and the default windows.",
    )

    @model_validator(mode="before")
    @classmethod
    def take_defaults_of_the_format(cls, values: Any) -> Any:
        """Fill in what the raw format fixes (sessions by visitor, say) where the user gives nothing."""
        if not isinstance(values, dict) or values.get("format") not in format_names():
            return values
        raw = raw_format(values["format"])
        defaults = raw.defaults
        if raw.tables is not None:
            values = _with_tables(raw.tables, values)
        published = values.get("published")
        if isinstance(published, dict) and isinstance(published.get("sessions"), dict):
            sessions = merged(defaults.get("sessions", {}), published["sessions"])
            values = {**values, "published": {**published, "sessions": sessions}}
        return merged(defaults, values)

    @field_validator("source")
    @classmethod
    def source_in_home(cls, source: Source) -> Source:
        """Read `~` as the user's home."""
        return source_in_home(source)

    @field_validator("hash_ids")
    @classmethod
    def key_in_home(cls, path: str | None) -> str | None:
        """Read `~` as the user's home."""
        return None if path is None else expand_home(path)

    @field_validator("format")
    @classmethod
    def format_exists(cls, name: str) -> str:
        """Refuse a format that has no module in formats/."""
        if name not in format_names():
            raise ValueError("must be " + " or ".join(repr(known) for known in format_names()))
        return name

    @field_validator("timezone")
    @classmethod
    def timezone_exists(cls, name: str) -> str:
        """Refuse a name that the time zone database does not have."""
        return checked_timezone(name)

    @model_validator(mode="after")
    def tables_fit_the_format(self) -> "Dataset":
        """Refuse tables where the format fixes the columns, and tables without what sessions are made of."""
        if raw_format(self.format).tables is None:
            if self.table is not None:
                raise ValueError(f"table: the format {self.format} fixes the columns; use `format: table`")
            return self
        if not self.table:
            raise ValueError(
                "table: this key is missing: the tables of the log, each with its columns "
                "(`rabbithole inspect FILE` writes the section)"
            )
        all_field_kinds(self.table.values())
        category_path(self.table.values())
        for name, table in self.table.items():
            if getattr(table, self.sessions.by) is None:
                raise ValueError(
                    f"table.{name}.{self.sessions.by}: this key is missing, and sessions.by is "
                    f"{self.sessions.by!r}; give the column, or another sessions.by"
                )
            try:
                checked_timezone(table.time.zone)
            except ValueError as error:
                raise ValueError(f"table.{name}.time.zone: {table.time.zone!r} is {error}") from None
        if isinstance(self.source, dict) and self.source.keys() != self.table.keys():
            named = ", ".join(self.source) or "no table"
            raise ValueError(f"source: names {named}, where the tables are {', '.join(self.table)}")
        return self

    @property
    def table_log(self) -> TableLog | None:
        """Return what the step `events` reads of the tables, None for a format whose columns are fixed."""
        if self.table is None:
            return None
        tables = {name: table.for_events() for name, table in self.table.items()}
        return TableLog(key=self.sessions.by, tables=tables)

    @model_validator(mode="after")
    def log_has_visitors_and_carts(self) -> "Dataset":
        """Refuse sessions by visitor, or cuts at a cart, where the log's format has none."""
        raw = log_format(self.format, self.table_log)
        if self.sessions.by == "visitor" and not raw.has_visitors:
            raise ValueError(f"sessions.by: a {self.format} log names no visitors, so it must be `session`")
        if self.sessions.until == "first_cart" and not raw.has_carts:
            raise ValueError(f"sessions.until: a {self.format} log holds no carts, so it must be `purchase`")
        if self.source == "simulate" and raw.simulator is None:
            raise ValueError(f"source: the format {self.format} cannot be simulated; name the log's files")
        return self

    @model_validator(mode="after")
    def log_has_fields(self) -> "Dataset":
        """Refuse fields that neither any log nor this one has."""
        ago = (SESSIONS_AGO,) if self.history_events else ()
        known = (*STANDARD_FIELDS, *self.further_fields, *ago)
        for place, name in enumerate(self.windows.fields or ()):
            if name not in known:
                near = get_close_matches(name, known, 1)
                meant = f"; did you mean {near[0]}?" if near else "."
                raise ValueError(
                    f"windows.fields.{place}: there is no field {name!r}{meant} Allowed: "
                    + ", ".join(map(repr, known))
                )
        return self

    @model_validator(mode="after")
    def next_events_are_natural(self) -> "Dataset":
        """Refuse settings that change which event comes next, where that is the target."""
        if self.target != "next_event":
            return self
        if self.balance != "none":
            raise ValueError("balance: must be none with `target: next_event`; there are no two classes")
        if self.augmentation.event_dropout:
            raise ValueError("augmentation.event_dropout: must be 0 with `target: next_event`")
        if self.sessions.until != "purchase":
            raise ValueError("sessions.until: must be `purchase` with `target: next_event`")
        if self.windows.fields is not None and "event" not in self.windows.fields:
            raise ValueError("windows.fields: must name `event` with `target: next_event`")
        if self.split.folds:
            raise ValueError("split.by: must be `time` or `hash` with `target: next_event`")
        return self

    @model_validator(mode="after")
    def history_is_known(self) -> "Dataset":
        """Refuse a history where the settings make none, or where it would reveal the target."""
        if self.windows.history and (lack := self._lack_of_history()):
            raise ValueError(f"windows.history: {lack}")
        return self

    def _lack_of_history(self) -> str | None:
        """Return what a history needs and these settings lack, None for nothing."""
        if self.sessions.by == "visitor" and self.sessions.gap_minutes is None:
            return "needs a sessions.gap_minutes, or sessions.by: session"
        if self.sessions.by == "session" and not log_format(self.format, self.table_log).visitor_column:
            return "needs visitors, and the log names none beside its sessions"
        if self.sessions.cost != "event":
            return "needs sessions.cost: event"
        if self.target != "buyer":
            return "must be false with `target: next_event`"
        if SESSIONS_AGO in self.further_fields:
            return f"adds a field {SESSIONS_AGO}, which the log has already: give the log's another name"
        return None

    @property
    def visitors_return(self) -> bool:
        """Return whether a visitor may have several sessions, as the settings cut them."""
        if self.sessions.by == "visitor":
            return self.sessions.gap_minutes is not None
        return log_format(self.format, self.table_log).visitor_column

    @property
    def history_events(self) -> int:
        """Return how many events of earlier sessions a window shows at most, 0 without history.

        They come on top of the session's own. If they filled what the session leaves of its window, a running
        session's history would reveal its later length.
        """
        wanted = self.windows.history
        if wanted is None:
            wanted = self.sessions.gap_minutes is not None and self._lack_of_history() is None
        return self.windows.length if wanted else 0

    @property
    def window_fields(self) -> tuple[str, ...] | None:
        """Return the fields of windows, None for all. A history is always marked as such."""
        fields = self.windows.fields
        if fields is None or not self.history_events or SESSIONS_AGO in fields:
            return None if fields is None else tuple(fields)
        return (*fields, SESSIONS_AGO)

    @property
    def further_fields(self) -> tuple[str, ...]:
        """Return the names of the log's further fields."""
        return tuple(all_field_kinds((self.table or {}).values()))

    @property
    def simulated(self) -> bool:
        """Return whether the log comes from the simulator."""
        return self.source == SIMULATE

    @property
    def published_figure(self) -> str | None:
        """Return the published figure to show, None for a simulated log or under another protocol."""
        published = self.published
        if published is None or self.simulated:
            return None
        if self.history_events:
            return None
        protocol = (published.sessions, published.split, Windows(fields=published.fields), "none")
        windows = self.windows.model_copy(update={"history": None})
        return published.figure if protocol == (self.sessions, self.split, windows, self.balance) else None

    @property
    def has_oracle(self) -> bool:
        """Return whether the best possible score is known: simulated, with sessions and events unchanged.

        A cut at a cart or a minimum length changes what the start of a session reveals. A sample changes
        nothing. Fields that are left out hide nothing from the oracle: it is still an upper bound. Where
        visitors return, there is none of next events.
        """
        return (
            self.simulated
            and self.sessions.by == raw_format(self.format).simulated_session
            and self.sessions.gap_minutes == raw_format(self.format).simulated_gap_minutes
            and (self.target == "buyer" or self.sessions.gap_minutes is None)
            and self.sessions.until == "purchase"
            and self.sessions.minimum_events == 1
            and self.drop_duplicates
        )


def _with_tables(preset: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a section with the preset's tables under its own; sessions are by visitor without a session.

    A further field that is null is left out, so that a user can remove one of the preset.
    """
    tables = values.get("table")
    if not isinstance(tables, dict | None):
        return values
    merged_tables = merged(preset, tables or {})
    for name, table in merged_tables.items():
        if isinstance(table, dict) and isinstance(table.get("fields"), dict):
            kept = {key: field for key, field in table["fields"].items() if field is not None}
            merged_tables[name] = {**table, "fields": kept}
    sections = [table for table in merged_tables.values() if isinstance(table, dict)]
    by = "session" if all(table.get("session") is not None for table in sections) else "visitor"
    return merged({"sessions": {"by": by}}, {**values, "table": merged_tables})


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings merged, the second over the first."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merged(below, value)
        result[key] = value
    return result
