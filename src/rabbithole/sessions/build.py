"""Events to sessions: labelled, cut before the first transaction or at a cart, given to train, valid or test.

Events lie sorted in parts that hold whole sessions, so there is no shuffle: each Spark task turns one part
of events into one part of sessions. What a task must know of the other parts (split boundaries, prices) is
gathered by a first pass over the columns concerned.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.formats.retailrocket import ROOTS
from rabbithole.io.asof import AsOfTable
from rabbithole.io.atomic import atomic_write, remove
from rabbithole.io.manifests import read_manifest, write_manifest
from rabbithole.io.parts import manifest_path, map_values, part_files, read_part, whole_groups
from rabbithole.sessions.cutting import Selection, cut_sessions, is_transaction
from rabbithole.sessions.session_task import SESSION_SCHEMA, SessionPlan, SessionTask
from rabbithole.sessions.splitting import boundaries
from rabbithole.sessions.summary import NONE_LEFT, manifest_facts
from rabbithole.spark.session import SparkOptions, spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed

PRICES = "_prices.parquet"
"""The table of prices by item and time, beside the parts of sessions; readers of the folder pass it by."""

PASS = pa.schema(
    [
        ("starts", pa.binary()),
        ("item", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("value", pa.float64()),
        ("order", pa.int64()),
    ]
)
"""What the first pass finds: starts of sessions that keep an event (int64s as bytes), and prices paid."""


def build_sessions(
    *,
    events: Path,
    output: Path,
    by: str,
    gap_minutes: float | None,
    cost: str,
    split: Mapping[str, Any],
    open_horizon_hours: float,
    seed: int,
    spark: SparkOptions,
    until: str = "purchase",
    minimum_events: int = 1,
    sample: float = 1.0,
) -> None:
    """Write sessions, one row each, and their manifest.

    `by`: "session" (the log's own) or "visitor", either with a gap in minutes after which a new session
    begins. `cost`: "event" (the event's own) or "purchases" (the item's last known price in purchases
    before the session began). `split`: {"by": "time" | "hash", "shares": [train, valid, test]}. A session is
    `open` if its last event before the cut is within the gap (without one: `open_horizon_hours`) of the log's
    last event, whether it has bought or not: to set aside only those that have not would raise the share of
    buyers, and to set aside buyers who came back after their purchase would lower it. `until`,
    `minimum_events`, `sample`: which sessions are looked at, and up to where (see `Choice`); those left out
    are counted by reason. With "first_cart" a session may go on after what is kept for longer than a gap, so
    that the horizon holds with one too.

    Raises `UserError` when there are no visitors, no session is left or a split is empty.
    """
    facts = read_manifest(events)
    if by == "visitor" and not facts["visitors"]:
        raise UserError(
            f"Sessions by visitor, but the log of format {facts['format']} names no visitors: "
            'set sessions.by to "session".'
        )
    parts = part_files(events)
    minutes = open_horizon_hours * 60 if gap_minutes is None or until == "first_cart" else gap_minutes
    plan = SessionPlan(
        gap_minutes=gap_minutes,
        choice=Selection(until, minimum_events, sample, seed),
        horizon=round(minutes * 60e6),
        log_end=facts["last_microseconds"],
        shares=tuple(split["shares"]),
        seed=seed,
    )
    remove(manifest_path(output))
    with atomic_write(output) as folder:
        folder.mkdir()
        with spark_session(spark, "sessions") as session:
            by_time = split["by"] == "time"
            if by_time or cost == "purchases":
                first = FirstPass(parts, gap_minutes, plan.choice, starts=by_time, prices=cost == "purchases")
                found = map_indexed(session, len(parts), first, PASS)
                plan = _planned(plan, found, by_time=by_time, prices=cost == "purchases", folder=folder)
            done = map_indexed(session, len(parts), SessionTask(parts, folder, plan), REPORT_SCHEMA)
        if (events / ROOTS).exists():
            shutil.copyfile(events / ROOTS, folder / ROOTS)
        found_facts = manifest_facts(
            [json.loads(row) for row in done["facts"].to_pylist()],
            split=split,
            bounds=plan.bounds,
            visitors=bool(facts["visitors"]),
            events_in=facts["rows"],
        )
    write_manifest(
        output,
        **found_facts,
        by=by,
        gap_minutes=gap_minutes,
        open_minutes=minutes,
        until=until,
        minimum_events=minimum_events,
        sample=sample,
        cost=cost,
        prices=None if plan.prices is None else len(plan.prices.keys),
        schema={field.name: str(field.type) for field in SESSION_SCHEMA},
    )


class FirstPass:
    """The work of a first-pass task: starts of the sessions of one part, and its prices."""

    def __init__(
        self,
        parts: Sequence[Path],
        gap_minutes: float | None,
        choice: Selection,
        *,
        starts: bool,
        prices: bool,
    ) -> None:
        self.parts = parts
        self.gap_minutes = gap_minutes
        self.choice = choice
        self.starts = starts
        self.prices = prices

    def __call__(self, index: int) -> Iterator[pa.RecordBatch]:
        """Yield rows of `PASS`: many starts, or a price; the other columns are null."""
        columns = ["session_id", "timestamp", "event"]
        if self.prices:
            columns += ["item", "cost", "position"]
        if self.choice.sample < 1:
            columns.append("visitor")
        for events in whole_groups(read_part(self.parts[index], columns), "session_id"):
            if self.starts:
                cut, _ = self.choice(cut_sessions(events, self.gap_minutes), events)
                starts = cut.first[cut.kept > 0]
                yield _pass_rows(1, starts=pa.array([starts.tobytes()], pa.binary()))
            if self.prices:
                paid = pc.and_(map_values(is_transaction, events["event"]), events["cost"].is_valid())
                rows = events.filter(paid).combine_chunks()
                for batch in rows.to_batches():
                    yield _pass_rows(
                        len(batch),
                        item=batch["item"].cast(pa.string()),
                        time=batch["timestamp"],
                        value=batch["cost"],
                        order=batch["position"],
                    )


def _pass_rows(rows: int, **columns: pa.Array) -> pa.RecordBatch:
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in PASS]
    return pa.record_batch(arrays, schema=PASS)


def _planned(plan: SessionPlan, found: pa.Table, *, by_time: bool, prices: bool, folder: Path) -> SessionPlan:
    """Return the plan with split boundaries and the table of prices, which is also written."""
    bounds: NDArray[np.int64] | None = None
    table: AsOfTable | None = None
    if by_time:
        pieces = found["starts"].drop_null().to_pylist()
        starts = np.concatenate([np.frombuffer(piece, np.int64) for piece in pieces])
        if len(starts) == 0:
            raise UserError(NONE_LEFT)
        bounds = boundaries(starts, plan.shares)
    if prices:
        paid = found.filter(found["item"].is_valid())
        table = AsOfTable.build(paid.select(["item", "time", "order", "value"]))
        pq.write_table(table.table().rename_columns(["item", "time", "price"]), folder / PRICES)
    return plan.with_(bounds=bounds, prices=table)
