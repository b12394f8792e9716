"""The Spark tasks that write events: sorted, without exact duplicates, with what is known of their items."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.formats.retailrocket import Properties
from rabbithole.io.parts import PartWriter

TIME = pa.timestamp("us", "UTC")

EVENT_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("timestamp", TIME),
        ("event", pa.string()),
        ("item", pa.string()),
        ("category", pa.string()),
        ("cost", pa.float64()),
        ("position", pa.int64()),
    ]
)

ROWS = pa.schema(
    [field for field in EVENT_SCHEMA if field.name not in ("visitor", "position")]
    + [("rest", pa.string()), ("position", pa.int64())]
)
"""Rows on their way from readers to parts; `rest` is what else tells one raw line from another."""

LINE = ["session_id", "timestamp", "event", "item", "category", "cost", "rest"]
"""The columns that two lines have in common if one duplicates the other."""

FOUND = pa.schema([("facts", pa.string()), ("item", pa.string())])
"""What a task returns: one row of facts (JSON), and a row for each item that its part holds."""


class EventTask:
    """The work of a task: from the rows of one part, in the order of the log, to that part of events."""

    def __init__(
        self, folder: Path, *, visitors: bool, drop_duplicates: bool, properties: Properties | None
    ) -> None:
        self.folder = folder
        self.visitors = visitors
        self.drop_duplicates = drop_duplicates
        self.properties = properties

    def __call__(self, part: int, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        """Write the part and yield what was found in it."""
        facts: dict[str, Any] = {"duplicates": 0}
        events = self._events(sort_rows(rows), facts)
        with PartWriter(self.folder, part, EVENT_SCHEMA) as writer:
            writer.write(events)
        items = pc.unique(events["item"])
        yield pa.record_batch({"facts": [json.dumps(facts)], "item": pa.array([None], pa.string())})
        yield pa.record_batch({"facts": pa.nulls(len(items), pa.string()), "item": items})

    def _events(self, rows: pa.Table, facts: dict[str, Any]) -> pa.Table:
        if self.drop_duplicates:
            repeated = duplicates(rows)
            if repeated.any():
                facts["duplicates"] = int(repeated.sum())
                rows = rows.filter(pa.array(~repeated)).combine_chunks()
        names = rows["session_id"]
        visitor = names if self.visitors else pa.nulls(len(rows), pa.string())
        events = rows.drop_columns(["rest"]).append_column("visitor", visitor)
        if self.properties is not None:
            events, found = self.properties.add(events)
        else:
            found = {
                "with_category": len(events) - events["category"].null_count,
                "with_cost": len(events) - events["cost"].null_count,
            }
        kinds = events["event"].value_counts().to_pylist()
        bounds = pc.min_max(events["timestamp"].cast(pa.int64())).as_py()
        facts |= {
            **found,
            "rows": len(events),
            "sessions": len(names) - pc.sum(pc.equal(names[1:], names[:-1]), min_count=0).as_py(),
            "events": {kind["values"]: kind["counts"] for kind in kinds},
            "first": bounds["min"],
            "last": bounds["max"],
        }
        return events


def partition_of(keys: pa.ChunkedArray, parts: int) -> NDArray[np.int32]:
    """Return which of so many parts each key (string) belongs to, int32 [keys]; equal keys share one."""
    coded = keys.combine_chunks().dictionary_encode()
    distinct = coded.dictionary.to_numpy(zero_copy_only=False)
    hashed = pd.util.hash_array(distinct, categorize=False) % np.uint64(parts)
    return hashed.astype(np.int32)[coded.indices.to_numpy()]


def sort_rows(rows: pa.Table) -> pa.Table:
    """Return rows, which stand in the order of the log, sorted by session, time and that order."""
    coded = rows["session_id"].combine_chunks().dictionary_encode()
    rank = np.empty(len(coded.dictionary), np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
    key = rank[coded.indices.to_numpy()]
    times = rows["timestamp"].cast(pa.int64()).to_numpy()
    first, last = int(times.min()), int(times.max())
    if len(rank) * (last - first + 1) < 2**63:
        # One number in the place of two sorts eight times faster, as most of a log stands in order already.
        order = np.argsort(key * (last - first + 1) + (times - first), kind="stable")
    else:
        order = np.lexsort([times, key])
    return rows.take(pa.array(order)).combine_chunks()


def duplicates(rows: pa.Table) -> NDArray[np.bool_]:
    """Return which rows (sorted by session and time) repeat an earlier line exactly, bool [rows]."""
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for name in ("session_id", "timestamp"):
        column = rows[name].combine_chunks()
        same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    # Only rows that share session and time with a neighbour can be duplicates: few, so group just those.
    close = np.zeros(len(rows), dtype=bool)
    close[1:] |= same
    close[:-1] |= same
    repeated = np.zeros(len(rows), dtype=bool)
    if close.any():
        few = rows.filter(pa.array(close))
        firsts = few.group_by(LINE).aggregate([("position", "min")])["position_min"]
        repeated[close] = ~np.isin(few["position"].to_numpy(), firsts.to_numpy())
    return repeated


def merge(found: pa.Table) -> dict[str, Any]:
    """Add up what the tasks found; `first` and `last` are microseconds since 1970 (None without rows)."""
    parts = [json.loads(facts) for facts in found["facts"].drop_null().to_pylist()]
    total: dict[str, Any] = {"events": {}, "items": pc.count_distinct(found["item"]).as_py()}
    for part in parts:
        for event, count in part.pop("events").items():
            total["events"][event] = total["events"].get(event, 0) + count
        for end in ("first", "last"):
            total.setdefault(end, []).append(part.pop(end))
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    total["first"], total["last"] = min(total["first"], default=None), max(total["last"], default=None)
    total["events"] = dict(sorted(total["events"].items()))
    return total
