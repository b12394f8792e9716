"""The sessions step: from sorted events to labelled sessions, cut before the first purchase, and split.

Events are sorted, and each part holds all events of its keys. So there is no shuffle: each Spark task turns
one part of events into one part of sessions. Only where a log's own sessions have a history, a shuffle brings
those of a visitor together. What a task must know about the other parts (split bounds, prices) comes from a
first pass over the columns that it needs.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from rabbithole.artifacts.data import (
    EventsManifest,
    Fields,
    LengthBin,
    LengthStatistics,
    SessionsManifest,
    SplitBoundary,
    SplitCounts,
)
from rabbithole.errors import UserError
from rabbithole.io.asof import AsOf, AsOfFile
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import manifest_path, new_folder
from rabbithole.io.storage import Folder, Part, StoredFile, StoredFolder, fetched, stored_folder
from rabbithole.sessions.bounds import count_starts, exact_bounds, visitors_on_both_sides
from rabbithole.sessions.diagnosis import (
    diagnose,
    open_minutes,
    require_purchases,
    require_sessions,
    why_empty,
)
from rabbithole.sessions.event_tables import map_sessions
from rabbithole.sessions.first_pass import first_pass
from rabbithole.sessions.session_task import (
    SessionCounts,
    SessionGroup,
    SessionPlan,
    SessionTask,
    session_schema,
)
from rabbithole.sessions.splitting import SPLITS
from rabbithole.spark.session import spark_session
from rabbithole.spark.task_progress import Stage, watch_tasks
from rabbithole.specs.data import SESSIONS_AGO, SessionsPurpose, SessionsSpec, SparkOptions

LENGTH_BINS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, None))
"""First and last length of each bin of the histogram, in kept events."""

NO_SESSION = (
    "No session is left: none has an event before its first transaction (one at the same time is none) and "
    "meets sessions.until, sessions.minimum_events and sessions.sample. Loosen these "
    "settings, or use more data."
)


def check_counts(
    counts: SessionCounts, log: EventsManifest, spec: SessionsSpec, bounds: NDArray[np.int64] | None
) -> None:
    """Raise `UserError` if no session is left or a split is empty; check that every event is counted once."""
    if not counts.groups:
        raise UserError(NO_SESSION)
    for name, of_split in split_counts(counts.groups).items():
        if of_split.sessions == 0:
            times = None if bounds is None else list(map(_iso_time, bounds.tolist()))
            sessions = session_counts(counts.groups).sessions
            raise UserError(why_empty(name, sessions, log, spec, times))
    parts = counts.events.kept + counts.events.cut + counts.events.dropped
    parts += sum(excluded.events for excluded in counts.excluded.values())
    if not log.rows == counts.events.total == parts:
        raise RuntimeError(f"The {log.rows} events do not add up: {counts.events}, {counts.excluded}")


def session_counts(groups: Sequence[SessionGroup]) -> SplitCounts:
    """Return the sessions of groups, the buyers and the open ones among them."""
    return SplitCounts(
        sessions=sum(group.sessions for group in groups),
        buyers=sum(group.sessions for group in groups if group.buyer),
        open=sum(group.sessions for group in groups if group.open),
        open_buyers=sum(group.sessions for group in groups if group.open and group.buyer),
    )


def split_counts(groups: Sequence[SessionGroup]) -> dict[str, SplitCounts]:
    """Return the sessions of each split."""
    return {
        name: session_counts([group for group in groups if group.split == number])
        for number, name in enumerate(SPLITS)
    }


def length_statistics(groups: Sequence[SessionGroup]) -> LengthStatistics:
    """Return exact quantiles and a histogram of the sessions' lengths."""
    lengths, index = np.unique([group.length for group in groups], return_inverse=True)
    counts = np.bincount(index, weights=[group.sessions for group in groups]).astype(np.int64)
    total, reached = int(counts.sum()), np.cumsum(counts)
    quantiles = {
        f"{share:g}": int(lengths[np.searchsorted(reached, share * total)])
        for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    }
    histogram = []
    for first, last in LENGTH_BINS:
        inside = (lengths >= first) & (lengths <= (last or lengths.max()))
        histogram.append(LengthBin(first=first, last=last, sessions=int(counts[inside].sum())))
    return LengthStatistics(
        mean=float(np.sum(lengths * counts) / total),
        median=quantiles["0.5"],
        longest=int(lengths.max()),
        quantiles=quantiles,
        histogram=histogram,
    )


def split_boundaries(
    session: SparkSession, bounds: NDArray[np.int64] | None, parts: Sequence[Part], *, visitors: bool
) -> list[SplitBoundary]:
    """Return when valid and test begin, empty for a split by hash.

    parts: of the sessions; visitors: whether the log names them.
    """
    if bounds is None:
        return []
    crossings: Sequence[int | None] = [None] * len(bounds)
    if visitors:
        with watch_tasks(session, Stage("comparing visitors")):
            crossings = visitors_on_both_sides(session, parts, bounds)
    return [
        SplitBoundary(begins=name, time=_iso_time(bound), visitors_on_both_sides=crossing)
        for name, bound, crossing in zip(SPLITS[1:], bounds.tolist(), crossings, strict=True)
    ]


def _iso_time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")


PRICE_HISTORY = "_prices.parquet"
"""Prices by item and time. The underscore hides the file from those who read all sessions of the folder."""


def build_sessions(
    spec: SessionsSpec,
    *,
    events: Path,
    output: Path,
    spark: SparkOptions,
    purpose: SessionsPurpose,
    storage: str | None = None,
) -> None:
    """Write sessions, a row each, and their manifest.

    storage: the address of the data set's data, None: in `output`.

    A session is open if its last kept event is within the horizon of the log's last event (`open_minutes`).
    This holds for buyers and others alike. Dropping only non-buyers here would inflate the share of buyers;
    dropping buyers who came back after their purchase would deflate it.

    Raises `UserError` when sessions are by visitor and the log has no visitors, when no session is left, when
    a split is empty, and where the sessions do not serve their purpose (`require_sessions`).
    """
    log = EventsManifest.of(events)
    if spec.by == "visitor" and not log.visitors:
        raise UserError(
            f"Sessions by visitor, but the log of format {log.format} names no visitors: "
            'set sessions.by to "session".'
        )
    if spec.history and spec.cost != "event":
        raise UserError(
            "History across sessions needs sessions.cost: event. Set it, or set windows.history to false."
        )
    if spec.history and spec.by == "visitor" and spec.gap_minutes is None:
        raise UserError(
            "History across sessions needs a sessions.gap_minutes, or sessions.by: session. Set one, or set "
            "windows.history to false."
        )
    if spec.history and not log.visitors:
        raise UserError(
            "History across sessions needs visitors, and the log names none. Set windows.history to false."
        )
    require_purchases(log, purpose)
    minutes, parts = open_minutes(spec, log), log.part_files(events)
    further = further_fields(log, parts)
    if spec.history and SESSIONS_AGO in further.names:
        raise UserError(
            f"The log has a field {SESSIONS_AGO!r}, which windows.history would add. Rename the log's field."
        )
    plan = SessionPlan(spec, open_from=log.last_microseconds - round(minutes * 60e6), further=further)
    stored = stored_folder(storage, output)
    with new_folder(output, stored):
        with spark_session(spark, "sessions") as session:
            plan = _complete_plan(session, spark, plan, parts, output / PRICE_HISTORY)
            with watch_tasks(session, Stage("building sessions")):
                task = SessionTask(stored or output, plan)
                reports = map_sessions(session, parts, plan, spark, task)
            counts = SessionCounts.total_of_reports(reports)
            check_counts(counts, log, spec, plan.bounds)
            written, visitors = _written(counts.parts, stored or output), bool(log.visitors)
            boundaries = split_boundaries(session, plan.bounds, written, visitors=visitors)
        splits = split_counts(counts.groups)
        require_sessions(splits, spec, purpose, minutes=minutes, dropped=counts.dropped)
        prices = None if plan.prices is None else pq.read_metadata(output / PRICE_HISTORY).num_rows
        if log.category_roots is not None:
            with fetched(log.file(events, log.category_roots)) as roots:
                shutil.copyfile(roots, output / log.category_roots)
        files = SessionsManifest.files_of(output, counts.parts, stored)
    sessions = session_counts(counts.groups)
    diagnoses = diagnose(log, splits, spec, minutes=minutes, dropped=counts.dropped)
    SessionsManifest(
        files=files,
        storage=stored and stored.address,
        rows=sessions.sessions,
        sessions=sessions.sessions,
        buyers=sessions.buyers,
        open=sessions.open,
        dropped=counts.dropped,
        excluded=counts.excluded,
        splits=splits,
        split_by=spec.split.by,
        shares=list(spec.split.shares),
        boundaries=boundaries,
        events=counts.events,
        lengths=length_statistics(counts.groups),
        by=spec.by,
        gap_minutes=spec.gap_minutes,
        open_minutes=minutes,
        until=spec.until,
        minimum_events=spec.minimum_events,
        sample=spec.sample,
        cost=spec.cost,
        prices=prices,
        price_history=None if plan.prices is None else PRICE_HISTORY,
        category_roots=log.category_roots,
        columns={field.name: str(field.type) for field in session_schema(plan.fields)},
        fields=plan.fields,
        diagnoses=diagnoses,
        history=spec.history,
    ).write(manifest_path(output))


def _written(parts: Mapping[str, WrittenFile], folder: Folder) -> list[Part]:
    """Return the parts that the tasks have written to a folder."""
    if isinstance(folder, StoredFolder):
        return [StoredFile(folder.file(name), file, "Run again.") for name, file in parts.items()]
    return [folder / name for name in parts]


def further_fields(log: EventsManifest, parts: Sequence[Part]) -> Fields:
    """Return the further fields of a log in the order of its columns."""
    with fetched(parts[0]) as path:
        names = [name for name in pq.read_schema(path).names if name in log.fields]
    return Fields(
        categorical=tuple(name for name in names if log.fields[name] == "category"),
        numeric=tuple(name for name in names if log.fields[name] == "number"),
    )


def _complete_plan(
    session: SparkSession, spark: SparkOptions, plan: SessionPlan, parts: Sequence[Part], file: Path
) -> SessionPlan:
    """Add split bounds and prices, which a first pass over the events writes to a file, to the plan."""
    spec = plan.spec
    bounds: NDArray[np.int64] | None = None
    prices: AsOf | None = None
    if spec.split.by == "time" or spec.cost == "purchases":
        with watch_tasks(session, Stage("first pass")):
            hours = first_pass(session, parts, spec, spark, prices=file)
        if spec.cost == "purchases":
            prices = AsOfFile(file)
        if spec.split.by == "time":
            if len(hours.sessions) == 0:
                raise UserError(NO_SESSION)
            with watch_tasks(session, Stage("locating the split")):
                count = partial(count_starts, session, parts, spec)
                bounds = exact_bounds(hours, count, spec.split.shares)
    return replace(plan, bounds=bounds, prices=prices)
