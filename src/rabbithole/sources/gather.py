"""The Spark tasks that write events: sorted, without exact duplicates, with what is known of their items."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import TaskContext

from rabbithole.sources.parts import PartWriter, whole_keys
from rabbithole.sources.retailrocket import Properties
from rabbithole.spark import Rows

TIME = pa.timestamp("us", "UTC")

SCHEMA = pa.schema(
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

ROWS = (
    "session_id string, timestamp timestamp, event string, item string, category string, cost double, "
    "rest string, position long"
)
"""Rows on their way from readers to parts; `rest` is what else tells one raw line from another."""

LINE = ["session_id", "timestamp", "event", "item", "category", "cost", "rest"]
"""The columns that two lines have in common if one duplicates the other."""

FOUND = "facts string, item string"
"""What a task returns: one row of facts (JSON), and a row for each item that its part holds."""


class Gather:
    """The work of a task: from rows sorted by session, time and position to one part of events."""

    def __init__(
        self, folder: Path, *, visitors: bool, drop_duplicates: bool, properties: Properties | None
    ) -> None:
        self.folder = folder
        self.visitors = visitors
        self.drop_duplicates = drop_duplicates
        self.properties = properties

    def __call__(self, batches: Rows) -> Rows:
        """Write the part and yield what was found in it."""
        facts: dict[str, Any] = {
            "rows": 0,
            "duplicates": 0,
            "sessions": 0,
            "events": {},
            "first": [],
            "last": [],
        }
        items = pa.array([], pa.string())
        with PartWriter(self.folder, part_index(), SCHEMA) as part:
            for rows in whole_keys(batches, "session_id"):
                events = self._events(rows, facts)
                part.write(events)
                items = pc.unique(pa.chunked_array([items, *events["item"].chunks]))
        yield pa.record_batch({"facts": [json.dumps(facts)], "item": pa.array([None], pa.string())})
        yield pa.record_batch({"facts": pa.nulls(len(items), pa.string()), "item": items})

    def _events(self, rows: pa.Table, facts: dict[str, Any]) -> pa.Table:
        if self.drop_duplicates:
            repeated = duplicates(rows)
            if repeated.any():
                facts["duplicates"] += int(repeated.sum())
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
        for name, count in found.items():
            facts[name] = facts.get(name, 0) + count
        for counted in events["event"].value_counts().to_pylist():
            event = counted["values"]
            facts["events"][event] = facts["events"].get(event, 0) + counted["counts"]
        bounds = pc.min_max(events["timestamp"].cast(pa.int64())).as_py()
        facts["rows"] += len(events)
        facts["sessions"] += pc.count_distinct(names).as_py()
        facts["first"] = [min([*facts["first"], bounds["min"]])]
        facts["last"] = [max([*facts["last"], bounds["max"]])]
        return events


def part_index() -> int:
    """Return the index of the partition that the running Spark task works on."""
    context = TaskContext.get()
    assert context is not None, "only a Spark task has a partition"
    return context.partitionId()


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
            total.setdefault(end, []).extend(part.pop(end))
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    total["first"], total["last"] = min(total["first"], default=None), max(total["last"], default=None)
    total["events"] = dict(sorted(total["events"].items()))
    return total
