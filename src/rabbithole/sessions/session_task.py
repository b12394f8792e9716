"""The Spark task that turns one part of events into one part of sessions."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.asof import AsOfTable
from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE, PartWriter, read_part, whole_groups
from rabbithole.sessions.cutting import EXCLUSION_REASONS, Excluded, Selection, SessionCut, cut_sessions
from rabbithole.sessions.splitting import SPLITS, crossings, split_by_hash, split_by_time

TIME = pa.timestamp("us", "UTC")

LISTS = {
    "timestamp": TIME,
    "event": pa.string(),
    "item": pa.string(),
    "category": pa.string(),
    "cost": pa.float64(),
}

SESSION_SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor", pa.string()),
        ("start", TIME),
        ("end", TIME),
        ("split", pa.string()),
        ("buyer", pa.bool_()),
        ("open", pa.bool_()),
        ("events", pa.int32()),
        *((name, pa.list_(kind)) for name, kind in LISTS.items()),
    ]
)


WRITTEN = pa.schema(
    [
        pa.field(field.name, pa.list_(DICTIONARY_TYPE)) if field.name in DICTIONARY_COLUMNS else field
        for field in SESSION_SCHEMA
    ]
)
"""The same, with values as they are in memory while they are written."""


@dataclass(frozen=True)
class SessionPlan:
    """What every task must know: gap, choice, `horizon` and `log_end` (microseconds), the split, the prices.

    `bounds`: int64 [2], when valid and test begin, or None for a split by hash; `prices`: None where an
    event's own cost counts.
    """

    gap_minutes: float | None
    choice: Selection
    horizon: int
    log_end: int
    shares: tuple[float, ...]
    seed: int
    bounds: NDArray[np.int64] | None = None
    prices: AsOfTable | None = None

    def with_(self, **changes: Any) -> "SessionPlan":
        """Return the plan with some entries changed."""
        return replace(self, **changes)


class SessionTask:
    """From a part's index to its sessions, written, and one row of facts."""

    def __init__(self, parts: Sequence[Path], folder: Path, plan: SessionPlan) -> None:
        self.parts = parts
        self.folder = folder
        self.plan = plan

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Write the part and yield what was found in it, as JSON."""
        facts: dict[str, Any] = {
            **dict.fromkeys(("events_in", "events_kept", "events_cut", "events_dropped"), 0),
            "dropped": 0,
            "left_out": {reason: [0, 0, 0] for reason in EXCLUSION_REASONS},
            "crossings": [0, 0],
            "lengths": [],
        }
        with PartWriter(self.folder, index, WRITTEN) as part:
            for events in whole_groups(read_part(self.parts[index]), "session_id"):
                part.write(self._sessions(events, facts))
        yield pa.record_batch({"facts": [json.dumps(facts)]})

    def _sessions(self, events: pa.Table, facts: dict[str, Any]) -> pa.Table:
        plan = self.plan
        found = cut_sessions(events, plan.gap_minutes)
        cut, left_out = plan.choice(found, events)
        _count_left_out(facts, found, left_out)
        left = np.flatnonzero(cut.kept > 0)
        heads = pa.array(cut.starts[:-1][left])
        key, visitor = (events[name].take(heads).combine_chunks() for name in ("session_id", "visitor"))
        name = key
        if plan.gap_minutes is not None:
            numbers = pa.array(cut.number[left]).cast(pa.string())
            name = pc.binary_join_element_wise(key, numbers, "-")
        start, length, buyer = cut.first[left], cut.kept[left], cut.buyer[left]
        end = cut.times[cut.starts[:-1][left] + length - 1]
        # By what is kept alone: a later event would tell open buyers from open others, and leak.
        still_open = end >= plan.log_end - plan.horizon
        if plan.bounds is None:
            split = split_by_hash(pc.coalesce(visitor, key), plan.shares, plan.seed)
        else:
            split = split_by_time(start, plan.bounds)
            begins = np.ones(len(left), dtype=bool)
            begins[1:] = pc.not_equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
            crossed = crossings(begins, start, plan.bounds)
            facts["crossings"] = [
                old + int(new) for old, new in zip(facts["crossings"], crossed, strict=True)
            ]
        _count(facts, cut, left, split, still_open)
        columns = {
            "session_id": name,
            "visitor": visitor,
            "start": _moments(start),
            "end": _moments(end),
            "split": pa.array(SPLITS).take(pa.array(split)),
            "buyer": pa.array(buyer),
            "open": pa.array(still_open),
            "events": pa.array(length.astype(np.int32)),
        }
        return pa.table(columns | self._lists(events, cut, left))

    def _lists(self, events: pa.Table, cut: SessionCut, left: NDArray[np.int64]) -> dict[str, pa.ListArray]:
        length = cut.kept[left]
        offsets = pa.array(np.concatenate([[0], np.cumsum(length)]).astype(np.int32))
        keep = pa.array(cut.keep)
        flat = {name: events[name].filter(keep).combine_chunks() for name in LISTS}
        if self.plan.prices is not None:
            began = np.repeat(cut.first[left], length)
            flat["cost"] = self.plan.prices.lookup(flat["item"], began, before=True)
        return {name: pa.ListArray.from_arrays(offsets, values) for name, values in flat.items()}


def _moments(times: NDArray[np.int64]) -> pa.Array:
    return pa.array(times, pa.timestamp("us")).cast(TIME)


def _count_left_out(facts: dict[str, Any], found: SessionCut, left_out: Excluded) -> None:
    """Count what is left out for each reason, and what has no event before its first purchase."""
    lengths, without = np.diff(found.starts), found.kept == 0
    facts["dropped"] += int(without.sum())
    facts["events_dropped"] += int(lengths[without].sum())
    for reason, which in left_out.items():
        counts = (which.sum(), found.buyer[which].sum(), lengths[which].sum())
        facts["left_out"][reason] = [
            old + int(new) for old, new in zip(facts["left_out"][reason], counts, strict=True)
        ]


def _count(
    facts: dict[str, Any],
    cut: SessionCut,
    left: NDArray[np.int64],
    split: NDArray[np.int64],
    still_open: NDArray[np.bool_],
) -> None:
    """Add a table's counts to the facts; `lengths` holds [split, buyer, open, length, sessions] lists."""
    all_events = np.diff(cut.starts)
    facts["events_in"] += int(all_events.sum())
    facts["events_kept"] += int(cut.kept.sum())
    facts["events_cut"] += int((all_events - cut.kept)[left].sum())
    # One number a group: whole rows would take ten times longer to sort.
    groups = cut.kept[left] * 12 + split * 4 + cut.buyer[left] * 2 + still_open
    found, counts = np.unique(groups, return_counts=True)
    parts = [found % 12 // 4, found % 4 // 2, found % 2, found // 12, counts]
    facts["lengths"] += np.stack(parts, axis=1).tolist()
