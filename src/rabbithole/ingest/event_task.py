"""The Spark task that writes one part of the events: sorted, without exact duplicates, with item data."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel

from rabbithole.formats.mapping import category_levels
from rabbithole.formats.side_tables import SideTables
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter
from rabbithole.specs.table_columns import CategoryColumn

EVENT_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("event", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("cost", pa.float64()),
        ("position", pa.int64()),
    ]
)

TASK_SCHEMA = pa.schema([("counts", pa.string()), ("item", pa.string()), ("visitor", pa.uint64())])
"""What a task returns: one row with its counts (JSON), one row for each item in its part, and one for each
visitor (a hash) where visitors are not the groups of the part."""


class EventCounts(BaseModel):
    """What a part holds, or all parts together.

    parts: the files that were written, by name;
    first, last: times in microseconds since 1970; with_category, with_cost, category_in_tree: events whose
    category or cost is known, or whose category is in the tree (None without a tree).
    """

    parts: dict[str, WrittenFile]
    duplicates: int
    rows: int
    sessions: int
    events: dict[str, int]
    first: int
    last: int
    with_category: int
    with_cost: int
    category_in_tree: int | None


@dataclass(frozen=True)
class EventTask:
    """Writes the rows of a partition, which are in the order of the log, as a part of the events.

    schema: of the events; visitors: whether a session's id is its visitor; category_path: how the levels of a
    category stand in its path, None without levels.
    """

    folder: Path
    schema: pa.Schema
    visitors: bool
    drop_duplicates: bool
    side_tables: SideTables | None
    category_path: CategoryColumn | None = None

    def __call__(self, partition: int, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        """Write the part; yield its counts and items (`TASK_SCHEMA`)."""
        for field in self.schema:
            # Each string is handled once from here on.
            if pa.types.is_dictionary(field.type) and field.name in rows.column_names:
                coded = rows[field.name].combine_chunks().dictionary_encode()
                rows = rows.set_column(rows.schema.get_field_index(field.name), field.name, coded)
        rows = sort_rows(rows)
        duplicates = 0
        if self.drop_duplicates:
            repeated = duplicated(rows)
            duplicates = int(repeated.sum())
            if duplicates:
                rows = rows.filter(pa.array(~repeated)).combine_chunks()
        events = rows.drop_columns(["rest"])
        own_visitors = "visitor" in events.column_names
        if not own_visitors:
            visitor = rows["session_id"] if self.visitors else pa.nulls(len(rows), pa.string())
            events = events.append_column("visitor", visitor)
        if self.category_path is not None:
            levels = category_levels(events["category"].combine_chunks(), self.category_path)
            for name, level in levels.items():
                events = events.append_column(name, level)
        if self.side_tables is not None:
            events = self.side_tables.add_to(events)
        with PartWriter(self.folder, partition, self.schema) as writer:
            writer.write(events)
        counts = self._counts(events, duplicates, writer.written)
        yield _task_rows(1, counts=pa.array([counts.model_dump_json()]))
        items = pc.unique(events["item"]).cast(pa.string())
        yield _task_rows(len(items), item=items)
        if own_visitors:
            visitors = pc.unique(events["visitor"].drop_null()).cast(pa.string())
            visitors = visitors.to_numpy(zero_copy_only=False)
            hashes = pa.array(pd.util.hash_array(visitors, categorize=False), pa.uint64())
            yield _task_rows(len(hashes), visitor=hashes)

    def _counts(self, events: pa.Table, duplicates: int, parts: dict[str, WrittenFile]) -> EventCounts:
        kinds = events["event"].value_counts().to_pylist()
        bounds = pc.min_max(events["timestamp"].cast(pa.int64())).as_py()
        ids, tables = _comparable(events["session_id"]), self.side_tables
        return EventCounts(
            parts=parts,
            duplicates=duplicates,
            rows=len(events),
            sessions=len(ids) - pc.sum(pc.equal(ids[1:], ids[:-1]), min_count=0).as_py(),
            events={kind["values"]: kind["counts"] for kind in kinds},
            first=bounds["min"],
            last=bounds["max"],
            with_category=len(events) - events["category"].null_count,
            with_cost=len(events) - events["cost"].null_count,
            category_in_tree=None if tables is None else tables.count_in_tree(events["category"]),
        )


def _task_rows(rows: int, **columns: pa.Array) -> pa.RecordBatch:
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in TASK_SCHEMA]
    return pa.record_batch(arrays, schema=TASK_SCHEMA)


def partition_of(keys: pa.ChunkedArray, partitions: int) -> NDArray[np.int32]:
    """Return the partition of each key (string), int32 [keys], by the key's hash."""
    coded = keys.combine_chunks().dictionary_encode()
    distinct = coded.dictionary.to_numpy(zero_copy_only=False)
    hashed = pd.util.hash_array(distinct, categorize=False) % np.uint64(partitions)
    return hashed.astype(np.int32)[coded.indices.to_numpy()]


def sort_rows(rows: pa.Table) -> pa.Table:
    """Sort rows, which are in the order of the log, by session and time; ties keep the order of the log."""
    coded = rows["session_id"].combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    rank = np.empty(len(coded.dictionary), np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
    session = rank[coded.indices.to_numpy()]
    times = rows["timestamp"].cast(pa.int64()).to_numpy()
    first, last = int(times.min()), int(times.max())
    if len(rank) * (last - first + 1) < 2**63:
        # One key instead of two is eight times faster, as most of a log is in order already.
        order = np.argsort(session * (last - first + 1) + (times - first), kind="stable")
    else:
        order = np.lexsort([times, session])
    return rows.take(pa.array(order)).combine_chunks()


def duplicated(rows: pa.Table) -> NDArray[np.bool_]:
    """Return which rows (sorted by session and time) repeat an earlier line exactly, bool [rows]."""
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for name in ("session_id", "timestamp"):
        column = _comparable(rows[name])
        same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    # Columns that are equal in two lines if one duplicates the other.
    line_columns = [name for name in rows.column_names if name != "position"]
    # Only the few rows that share session and time with a neighbour can be duplicates.
    candidates = np.zeros(len(rows), dtype=bool)
    candidates[1:] |= same
    candidates[:-1] |= same
    repeated = np.zeros(len(rows), dtype=bool)
    if candidates.any():
        few = rows.filter(pa.array(candidates))
        few = few.cast(pa.schema({field.name: _decoded(field.type) for field in few.schema}))
        first = few.group_by(line_columns).aggregate([("position", "min")])["position_min"]
        repeated[candidates] = ~np.isin(few["position"].to_numpy(), first.to_numpy())
    return repeated


@dataclass(frozen=True)
class LogCounts:
    """The counts of all parts together, and the numbers of distinct items and visitors.

    visitors: None where no part tells them apart from its groups.
    """

    events: EventCounts
    items: int
    visitors: int | None


def _comparable(values: pa.ChunkedArray) -> pa.Array:
    """Return values that are equal where the given ones are: the codes of a dictionary."""
    column = values.combine_chunks()
    return column.indices if pa.types.is_dictionary(column.type) else column


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def merge_counts(returned: pa.Table) -> LogCounts | None:
    """Return the sum of the tasks' counts, None if no part has a row."""
    parts = [EventCounts.model_validate_json(counts) for counts in returned["counts"].drop_null().to_pylist()]
    if not parts:
        return None
    in_tree = [part.category_in_tree for part in parts if part.category_in_tree is not None]
    events: Counter[str] = Counter()
    for part in parts:
        events.update(part.events)
    counts = EventCounts(
        parts={name: file for part in parts for name, file in part.parts.items()},
        duplicates=sum(part.duplicates for part in parts),
        rows=sum(part.rows for part in parts),
        sessions=sum(part.sessions for part in parts),
        events=dict(sorted(events.items())),
        first=min(part.first for part in parts),
        last=max(part.last for part in parts),
        with_category=sum(part.with_category for part in parts),
        with_cost=sum(part.with_cost for part in parts),
        category_in_tree=sum(in_tree) if in_tree else None,
    )
    visitors = returned["visitor"]
    return LogCounts(
        counts,
        items=pc.count_distinct(returned["item"]).as_py(),
        visitors=None if visitors.null_count == len(visitors) else pc.count_distinct(visitors).as_py(),
    )
