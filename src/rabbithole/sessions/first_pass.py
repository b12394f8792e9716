"""What the tasks must know about all parts of the events: starts of sessions by hour, and prices paid."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from rabbithole.io.asof import history_rows, write_history
from rabbithole.io.parts import complete_groups, map_values, read_part
from rabbithole.io.storage import Part
from rabbithole.sessions.bounds import HISTOGRAM_SCHEMA, HOUR, Histogram, kept_starts, start_columns
from rabbithole.sessions.cutting import is_transaction
from rabbithole.spark.shuffle import Sent, ShufflePlan, filled, shuffle
from rabbithole.specs.data import SessionsSpec, SparkOptions

PRICE_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("order", pa.int64()),
        ("value", pa.float64()),
    ]
)

PRICE_FIELD = pa.field("price", pa.float64())

SENT_SCHEMA = pa.schema([*HISTOGRAM_SCHEMA, *PRICE_SCHEMA])
"""Rows of a histogram, or prices paid; the columns of the other are null."""

HOURS, PRICES = 0, 1
"""The partitions to which tasks send their histograms and prices."""


def first_pass(
    session: SparkSession,
    parts: Sequence[Part],
    spec: SessionsSpec,
    options: SparkOptions,
    *,
    prices: Path,
    known: Path | None = None,
) -> Histogram:
    """Read the events once; return starts by hour for a split by time (otherwise none).

    Where costs come from purchases, the prices paid are written to the file `prices` (`write_history`).
    known: a file of earlier prices, to which these are added.
    """
    by_time, paid, run_bytes = spec.split.by == "time", spec.cost == "purchases", options.run_bytes
    columns = {*start_columns(spec), *(PRICE_COLUMNS if paid else ())}

    def read(index: int) -> Iterator[Sent]:
        if index == len(parts):
            for earlier in history_rows(known) if known is not None else ():
                yield _send(earlier.select(PRICE_SCHEMA.names).cast(PRICE_SCHEMA), PRICES)
            return
        for events in complete_groups(read_part(parts[index], sorted(columns)), "session_id"):
            if by_time:
                hours = Histogram.of_starts(kept_starts(events, spec), HOUR)
                yield _send(pa.Table.from_batches([hours.rows()]), HOURS)
            if paid:
                yield _send(prices_paid(events), PRICES)

    def gather(partition: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        if partition == PRICES:
            write_history(prices, _prices(tables), PRICE_FIELD, run_bytes)
        else:
            yield Histogram.total(tables).rows()

    plan = ShufflePlan(SENT_SCHEMA, partitions=2, run_bytes=run_bytes)
    rows = shuffle(session, len(parts) + 1, read, plan, gather, HISTOGRAM_SCHEMA)
    if paid and not prices.exists():
        write_history(prices, iter(()), PRICE_FIELD, 0)
    return Histogram.total([rows])


def _prices(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    return (rows.select(PRICE_SCHEMA.names) for rows in tables)


PRICE_COLUMNS = ("timestamp", "event", "item", "cost", "position")


def prices_paid(events: pa.Table) -> pa.Table:
    """Return the prices in the purchases among events (`PRICE_SCHEMA`)."""
    known = pc.and_(map_values(is_transaction, events["event"]), events["cost"].is_valid())
    paid = events.filter(known).select(["item", "timestamp", "position", "cost"])
    return paid.rename_columns(PRICE_SCHEMA.names).cast(PRICE_SCHEMA)


def _send(rows: pa.Table, partition: int) -> Sent:
    return filled(rows, SENT_SCHEMA), np.full(len(rows), partition, np.int32)
