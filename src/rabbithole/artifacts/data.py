"""Artifacts of the data steps: the manifests of events, sessions and windows, and the encoder."""

from operator import not_
from typing import Literal

from pydantic import Field

from rabbithole.artifacts.base import Artifact, FolderFiles, Manifest, Record
from rabbithole.specs.table import FieldKind


class Fields(Record):
    """Names of the fields of a step, in the order in which arrays hold them.

    categorical: integer codes; numeric: normalised numbers.
    """

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names, categorical fields first."""
        return (*self.categorical, *self.numeric)

    def code_column(self, field: str) -> int | None:
        """Return the column of a categorical field's codes, None if there is no such field."""
        return self.categorical.index(field) if field in self.categorical else None


class RawFiles(FolderFiles):
    """files.json of a simulated log. digests: the sha256 of every other file."""

    kind = "simulated files"
    rule = "simulate"


class LineCounts(Record):
    """Where the lines of the event files went; `lines` and `exploded` are the sum of the others.

    exploded: events beyond the first of their line, where an array holds several events; left_out: events
    that the settings leave out.
    """

    lines: int
    exploded: int = Field(0, exclude_if=not_)
    header: int
    blank: int
    rejected: int
    left_out: int = Field(0, exclude_if=not_)
    duplicates: int
    kept: int


class FileCounts(Record):
    """The lines of one raw file, with events beyond the first of a line.

    rows: events (or other rows) that could be read; left_out: of these, rows that nobody needs;
    missing_columns: those that the file lacks, each with a column of nearly its name ("": none); only a log
    that a model scores may lack any.
    """

    file: str
    role: str
    lines: int
    exploded: int = Field(0, exclude_if=not_)
    header: int
    blank: int
    rows: int
    left_out: int = Field(0, exclude_if=not_)
    rejected: int
    missing_columns: dict[str, str] = Field(default={}, exclude_if=not_)


class RejectedLine(Record):
    """A line that could not be read: the file, the line's number from 1, why, and its text."""

    file: str
    line: int
    reason: str
    text: str


class CategoryTreeCounts(Record):
    """The size of a shop's category tree."""

    categories: int
    roots: int


class EventsManifest(Manifest):
    """events.json: what was read from the raw log.

    first, last: ISO times of the first and last event; last_microseconds: the last one since 1970;
    share_*: fractions of the events; category_roots, category_history, cost_history: side tables in the
    folder (root by category; category and cost of an item over time), None where the log has none.

    holds: which of session, visitor, item, category and cost the log has; fields: the further
    columns of the events, sorted by name, with their kind: string for a category, float64 for a number;
    visitors: None if the log names none. `session_id` is the visitor where sessions are by visitor.
    """

    kind = "events manifest"
    version = 3
    rule = "events"

    format: str
    rows: int
    sessions: int
    visitors: int | None
    items: int
    holds: list[Literal["session", "visitor", "item", "category", "cost"]] = Field(default=[])
    fields: dict[str, FieldKind] = Field(default={})
    events: dict[str, int]
    first: str
    last: str
    last_microseconds: int
    lines: LineCounts
    files_read: list[FileCounts]
    files_missing: list[str]
    rejected: int
    rejected_reasons: dict[str, int]
    rejected_examples: list[RejectedLine]
    columns: dict[str, str]
    share_with_category: float | None
    share_with_cost: float | None
    share_category_in_tree: float | None
    category_tree: CategoryTreeCounts | None
    category_roots: str | None
    category_history: str | None
    cost_history: str | None


class RejectedManifest(Manifest):
    """rejected.json: how many lines were rejected, and how many for each reason."""

    kind = "rejected lines manifest"
    version = 2
    rule = "events"

    rows: int
    reasons: dict[str, int]


class SplitCounts(Record):
    """Sessions of a split. open: those still open at the end of the log; open_buyers: buyers among them."""

    sessions: int
    buyers: int
    open: int
    open_buyers: int

    @property
    def closed(self) -> int:
        """Return the sessions that are not open."""
        return self.sessions - self.open

    @property
    def closed_buyers(self) -> int:
        """Return the buyers among the sessions that are not open."""
        return self.buyers - self.open_buyers


class ExclusionCounts(Record):
    """Sessions that a setting excludes, the buyers among them, and their events."""

    sessions: int
    buyers: int
    events: int


class SessionEventCounts(Record):
    """Where the events went; `total` is the sum of the others and of the excluded sessions' events.

    kept: before the cut; cut: at or after it; dropped: of sessions without an event before a purchase.
    """

    total: int
    kept: int
    cut: int
    dropped: int


class LengthBin(Record):
    """Sessions of `first` to `last` events; no upper end where `last` is None."""

    first: int
    last: int | None
    sessions: int


class LengthStatistics(Record):
    """Lengths of sessions in events before the cut. quantiles: by fraction, such as "0.99"."""

    mean: float
    median: int
    longest: int
    quantiles: dict[str, int]
    histogram: list[LengthBin]


class SplitBoundary(Record):
    """When a split begins (ISO time), and how many visitors have sessions on both sides, if known."""

    begins: str
    time: str
    visitors_on_both_sides: int | None


class Diagnosis(Record):
    """What may keep models from learning. text: what is wrong; advice: which setting helps."""

    kind: Literal["no purchase", "few buyers", "no non-buyer", "short log"]
    text: str
    advice: str


class SessionsManifest(Manifest):
    """sessions.json: the sessions, and where every event went.

    excluded: by reason; open_minutes: how close to the end of the log a session counts as open;
    price_history: the side table of prices by item and time, None unless costs come from purchases;
    prices: its rows; category_roots: as in the events manifest; boundaries: empty for a split by hash;
    fields: the further list columns; diagnoses: what may keep models from learning; history: the events of
    earlier sessions that a session has at most.
    """

    kind = "sessions manifest"
    version = 3
    rule = "sessions"

    rows: int
    sessions: int
    buyers: int
    open: int
    dropped: int
    excluded: dict[str, ExclusionCounts]
    splits: dict[str, SplitCounts]
    split_by: str
    shares: list[float]
    boundaries: list[SplitBoundary]
    events: SessionEventCounts
    lengths: LengthStatistics
    by: str
    gap_minutes: float | None
    open_minutes: float
    until: str
    minimum_events: int
    sample: float
    cost: str
    prices: int | None
    price_history: str | None
    category_roots: str | None
    columns: dict[str, str]
    fields: Fields
    diagnoses: list[Diagnosis]
    history: int = Field(0, exclude_if=not_)


class WindowCounts(Record):
    """Windows of a split. cut_short: sessions longer than the window; missing, unseen: codes by field.

    history: steps of earlier sessions; with_history: windows that have such steps.
    """

    rows: int
    buyers: int
    steps: int
    cut_short: int
    missing: dict[str, int]
    unseen: dict[str, int]
    history: int = Field(0, exclude_if=not_)
    with_history: int = Field(0, exclude_if=not_)


class WindowEventCounts(Record):
    """Where the sessions' events went; `total` is the sum of the others.

    kept: steps of windows that are not history; open: of open sessions; beyond: before a long session's last
    steps.
    """

    total: int
    kept: int
    open: int
    beyond: int


class WindowsManifest(Manifest):
    """windows.json: the windows of train, valid and test, and how they were encoded.

    sizes: codes of each categorical field; rare: values with less than the minimum count, by field; fields:
    those of the windows; left_out: those that the settings leave out; absent: those of which train holds no
    value, or a single one at every step; price_history: as in the sessions manifest; length, history: as in
    the encoder.
    """

    kind = "windows manifest"
    version = 3
    rule = "windows"

    rows: int
    splits: dict[str, WindowCounts]
    open: int
    events: WindowEventCounts
    keep_open: bool
    sizes: dict[str, int]
    rare: dict[str, int]
    length: int
    minimum_item_count: int
    minimum_counts: dict[str, int]
    timezone: str
    fields: Fields
    left_out: list[str]
    absent: list[str]
    columns: dict[str, str]
    price_history: str | None
    history: int = Field(0, exclude_if=not_)


class NormaliserRecord(Record):
    """Mean and standard deviation of log1p of a numeric field on train."""

    mean: float
    deviation: float


class EncoderFile(Artifact):
    """encoder.json: vocabularies and normalisers that were fitted on train.

    fields: those of a step; vocabularies: values in the order of their codes; rare: values below the minimum
    count, by field; roots: the root of each category code, 0 for none, empty without a category tree; length:
    a session's own steps in a window at most; history: those of earlier sessions, which come on top.
    """

    kind = "encoder"
    version = 2
    rule = "windows"

    fields: Fields
    vocabularies: dict[str, list[str] | list[int]]
    rare: dict[str, list[str]]
    sizes: dict[str, int]
    roots: list[int]
    numeric: dict[str, NormaliserRecord]
    length: int
    timezone: str
    history: int = Field(0, exclude_if=not_)
