"""Specs of the steps from a raw log to windows, and of the oracle."""

from operator import not_
from typing import Literal

from pydantic import Field

from rabbithole.io.addresses import refuse_bad_address
from rabbithole.specs.base import Spec, expand_home
from rabbithole.specs.table import Tables

PARTITION_BYTES = 64 * 2**20
"""Raw bytes per partition at most: no more memory makes larger ones faster."""

JVM_SHARE = 0.6
"""Fraction of a step's memory for the JVM; the Python workers share the rest."""

WORKER_BYTES = 180_000_000
"""What a Python worker needs for itself: its libraries, and the row groups that it writes."""

MIN_RUN_BYTES, MAX_RUN_BYTES = 2**25, 2**29
"""Limits of a run: smaller ones would be too many to merge; a column of text ends at two gigabytes."""


class SparkOptions(Spec):
    """master: `local` or a master URL; conf: further Spark settings; threads; memory_mb."""

    master: str = "local"
    conf: dict[str, str] = Field(default={})
    threads: int = 2
    memory_mb: int = 4096

    @property
    def local(self) -> bool:
        """Return whether driver and executors are one process on this machine."""
        return self.master.startswith("local")

    @property
    def run_bytes(self) -> int:
        """Return how many bytes of rows a worker sorts at once: it needs about three times as many."""
        share = int(self.memory_mb * (1 - JVM_SHARE) * 1e6) // self.threads
        return min(max(MIN_RUN_BYTES, (share - WORKER_BYTES) // 3), MAX_RUN_BYTES)

    def partitions(self, size: int) -> int:
        """Return the number of partitions for `size` raw bytes: at least one per thread.

        As rows in memory, a raw byte takes up to two. A partition that is larger nevertheless is sorted in
        runs.
        """
        return max(self.threads, -(-size // min(PARTITION_BYTES, self.run_bytes // 2)))


Source = str | list[str] | dict[str, str | list[str]]
"""A folder, archive, glob or address that holds a log's files, several of them, or its files by role."""


def source_in_home(source: Source) -> Source:
    """Return a source whose paths have a leading `~` as the user's home.

    Raises `ValueError` for an empty path, and for an address that is malformed or holds a password or a key.
    """
    if isinstance(source, str):
        return _place(source)
    if isinstance(source, list):
        return [_place(path) for path in source]
    return {
        role: _place(path) if isinstance(path, str) else [_place(part) for part in path]
        for role, path in source.items()
    }


def _place(path: str) -> str:
    if "://" in path:
        refuse_bad_address(path)
    return expand_home(path)


class SimulateSpec(Spec):
    """How much of which shop to simulate.

    shop: a module of `rabbithole.simulator`; sessions: labelled sessions, or visitors.
    """

    shop: str
    sessions: int
    seed: int


class TableLog(Spec):
    """How a log of tables is read. key: the column that events are grouped by, as `sessions.by` says."""

    key: Literal["session", "visitor"]
    tables: Tables


class EventsSpec(Spec):
    """Which raw log to read. max_rejected: the fraction of lines that may be unreadable.

    table: None for the formats whose columns are fixed; hash_ids: the file with the key under which ids are
    hashed, None: they stay.
    """

    format: str
    source: Source
    max_rejected: float
    drop_duplicates: bool
    table: TableLog | None = None
    hash_ids: str | None = None


class Fold(Spec):
    """One of `count` folds: its number, from 0."""

    number: int
    count: int


class SplitSpec(Spec):
    """How sessions are split. shares: those of train, valid and test; fold: which one, by folds only."""

    by: Literal["time", "hash", "folds"]
    shares: tuple[float, float, float]
    fold: Fold | None = Field(None, exclude_if=lambda fold: fold is None)


SESSIONS_AGO = "sessions_ago"
"""The field with how many sessions ago an event was, 0 in the session itself. Only with history."""


class SessionsSpec(Spec):
    """What a session is, and which sessions are kept. seed: of the split by hash and of the sample.

    open_horizon_hours: None for a horizon that suits the log; history: events of the visitor's earlier
    sessions that a session keeps at most, 0 for none.
    """

    by: Literal["session", "visitor"]
    gap_minutes: float | None
    cost: Literal["event", "purchases"]
    open_horizon_hours: float | None
    until: Literal["purchase", "first_cart"]
    minimum_events: int
    sample: float
    split: SplitSpec
    seed: int
    history: int = Field(0, exclude_if=not_)


class SessionsPurpose(Spec):
    """What the sessions are for. It changes no session, only whether the step refuses a log.

    buyers: models learn who buys, so train must hold buyers and others; keep_open: as in `WindowsSpec`.
    """

    buyers: bool
    keep_open: bool


class WindowsSpec(Spec):
    """What the models see of a session.

    length: its last steps; fields: those of a step, None for all that the log has; minimum_counts: the
    minimum count of values by further field, for others that of items.
    """

    length: int
    minimum_item_count: int
    minimum_counts: dict[str, int] = Field(default={})
    fields: tuple[str, ...] | None
    timezone: str
    keep_open: bool


class OracleSpec(Spec):
    """Which test sessions the oracle scores. window: steps; steps: events seen of running sessions.

    earlier_sessions: whether it knows the visitor's earlier sessions, None for a shop without returns.
    """

    window: int
    steps: tuple[int, ...]
    keep_open: bool
    earlier_sessions: bool | None = Field(None, exclude_if=lambda value: value is None)
