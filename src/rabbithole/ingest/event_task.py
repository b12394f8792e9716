"""The Spark task that writes one part of the events: sorted, without exact duplicates, with item data."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter

from rabbithole.formats.mapping import category_levels
from rabbithole.formats.side_tables import SideTables
from rabbithole.io.columns import whole
from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter
from rabbithole.io.sorting import EVENT_KEY, merged_tables, sort_rows
from rabbithole.io.storage import Folder
from rabbithole.spark.shuffle import Sent, filled, partition_of
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

TASK_SCHEMA = pa.schema(
    [("counts", pa.string()), ("part", pa.string()), ("item", pa.string()), ("visitor", pa.uint64())]
)
"""What a task sends: rows with its counts (JSON), one row with the file it wrote (JSON, by name), one row
for each item in its part, and one for each visitor (a hash) where visitors are not the groups of the part."""

COUNTED_SCHEMA = pa.schema(
    [("counts", pa.string()), ("part", pa.string()), ("items", pa.int64()), ("visitors", pa.int64())]
)
"""What is returned of them: counts and parts, how many items and visitors the tasks sent to a partition."""


WRITTEN_FILES = TypeAdapter(dict[str, WrittenFile])


class EventCounts(BaseModel):
    """What a part holds, or all parts together.

    first, last: times in microseconds since 1970; with_category, with_cost, category_in_tree: events whose
    category or cost is known, or whose category is in the tree (None without a tree).
    """

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
    """Writes the rows of a partition as a part of the events.

    schema: of the events; visitors: whether a session's id is its visitor; partitions: to which counts are
    sent; run_bytes: size of the tables that are sorted at once; category_path: how the levels of a category
    stand in its path, None without levels.
    """

    folder: Folder
    schema: pa.Schema
    visitors: bool
    drop_duplicates: bool
    side_tables: SideTables | None
    partitions: int
    run_bytes: int
    category_path: CategoryColumn | None = None

    def __call__(self, partition: int, runs: Iterator[pa.Table]) -> Iterator[Sent]:
        """Write the part; yield its counts, items and visitors (`TASK_SCHEMA`)."""
        last_session: str | None = None
        with PartWriter(self.folder, partition, self.schema) as writer:
            for table in merged_tables(runs, EVENT_KEY, self.run_bytes):
                rows = self._sorted(table)
                del table
                events, duplicates = self._events(rows)
                writer.write(events)
                # A session may go on in the next table.
                going_on = events["session_id"][0].as_py() == last_session
                last_session = events["session_id"][-1].as_py()
                counts = self._counts(events, duplicates, going_on=going_on).model_dump_json()
                yield _task_rows(counts=pa.array([counts])), np.zeros(1, np.int32)
                items = pc.unique(events["item"].drop_null()).cast(pa.string())
                yield _task_rows(item=items), partition_of(pa.chunked_array([items]), self.partitions)
                if "visitor" in rows.column_names:
                    visitors = pc.unique(events["visitor"].drop_null()).cast(pa.string())
                    hashes = pd.util.hash_array(visitors.to_numpy(zero_copy_only=False), categorize=False)
                    partitions = (hashes % np.uint64(self.partitions)).astype(np.int32)
                    yield _task_rows(visitor=pa.array(hashes, pa.uint64())), partitions
        written = WRITTEN_FILES.dump_json(writer.written).decode()
        yield _task_rows(part=pa.array([written])), np.zeros(1, np.int32)

    def _sorted(self, rows: pa.Table) -> pa.Table:
        for field in self.schema:
            # Each string is handled once from here on.
            if pa.types.is_dictionary(field.type) and field.name in rows.column_names:
                coded = whole(rows[field.name]).dictionary_encode()
                rows = rows.set_column(rows.schema.get_field_index(field.name), field.name, coded)
        return sort_rows(rows)

    def _events(self, rows: pa.Table) -> tuple[pa.Table, int]:
        """Return sorted rows as events, and the number of duplicates that were dropped."""
        duplicates = 0
        if self.drop_duplicates:
            repeated = duplicated(rows)
            duplicates = int(repeated.sum())
            if duplicates:
                rows = rows.filter(pa.array(~repeated)).combine_chunks()
        events = rows.drop_columns(["rest"])
        if "visitor" not in events.column_names:
            visitor = rows["session_id"] if self.visitors else pa.nulls(len(rows), pa.string())
            events = events.append_column("visitor", visitor)
        if self.category_path is not None:
            levels = category_levels(whole(events["category"]), self.category_path)
            for name, level in levels.items():
                events = events.append_column(name, level)
        if self.side_tables is not None:
            events = self.side_tables.add_to(events)
        return events, duplicates

    def _counts(self, events: pa.Table, duplicates: int, *, going_on: bool) -> EventCounts:
        kinds = events["event"].value_counts().to_pylist()
        bounds = pc.min_max(events["timestamp"].cast(pa.int64())).as_py()
        ids, tables = _comparable(events["session_id"]), self.side_tables
        return EventCounts(
            duplicates=duplicates,
            rows=len(events),
            sessions=len(ids) - pc.sum(pc.equal(ids[1:], ids[:-1]), min_count=0).as_py() - going_on,
            events={kind["values"]: kind["counts"] for kind in kinds},
            first=bounds["min"],
            last=bounds["max"],
            with_category=len(events) - events["category"].null_count,
            with_cost=len(events) - events["cost"].null_count,
            category_in_tree=None if tables is None else tables.count_in_tree(events["category"]),
        )


def _task_rows(**columns: pa.Array) -> pa.Table:
    return filled(pa.table(columns), TASK_SCHEMA)


def count_task_rows(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield rows of `COUNTED_SCHEMA` for the rows of `TASK_SCHEMA` that tasks sent to a partition."""
    distinct = {"item": pa.array([], pa.string()), "visitor": pa.array([], pa.uint64())}
    for rows in tables:
        facts = rows.filter(pc.or_(rows["counts"].is_valid(), rows["part"].is_valid()))
        zeros = pa.array(np.zeros(len(facts), np.int64))
        known = [facts[name].combine_chunks() for name in ("counts", "part")]
        yield pa.record_batch([*known, zeros, zeros], schema=COUNTED_SCHEMA)
        for name, values in distinct.items():
            all_values = pa.chunked_array([values, *rows[name].drop_null().chunks])
            distinct[name] = pc.unique(all_values)
    sizes = [pa.array([len(values)]) for values in distinct.values()]
    yield pa.record_batch([*[pa.nulls(1, pa.string())] * 2, *sizes], schema=COUNTED_SCHEMA)


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
    """The counts of all parts together, the parts, and the numbers of distinct items and visitors.

    visitors: None where they are the groups themselves.
    """

    events: EventCounts
    parts: dict[str, WrittenFile]
    items: int
    visitors: int | None


def _comparable(values: pa.ChunkedArray) -> pa.Array:
    """Return values that are equal where the given ones are: the codes of a dictionary."""
    column = whole(values)
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
    items, visitors = (pc.sum(returned[name]).as_py() for name in ("items", "visitors"))
    written: dict[str, WrittenFile] = {}
    for part in returned["part"].drop_null().to_pylist():
        written |= WRITTEN_FILES.validate_json(part)
    return LogCounts(counts, written, items, visitors or None)
