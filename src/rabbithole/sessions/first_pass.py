"""What the tasks must know about all parts of the events: starts of sessions by hour, and prices paid."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from rabbithole.io.parts import complete_groups, map_values, read_part
from rabbithole.sessions.bounds import HISTOGRAM_SCHEMA, HOUR, Histogram, kept_starts, start_columns
from rabbithole.sessions.cutting import is_transaction
from rabbithole.spark.shuffle import Exchange, Sent, shuffle
from rabbithole.specs.data import SessionsSpec

PRICE_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("order", pa.int64()),
        ("value", pa.float64()),
    ]
)

SENT_SCHEMA = pa.schema([*HISTOGRAM_SCHEMA, *PRICE_SCHEMA])
"""Rows of a histogram, or prices paid; the columns of the other are null."""

HOURS, PRICES = 0, 1
"""The partitions to which tasks send their histograms and prices."""


class FirstPass(NamedTuple):
    """Starts of sessions by hour (for a split by time), and prices paid (for costs from purchases)."""

    hours: Histogram
    prices: pa.Table


def first_pass(session: SparkSession, parts: Sequence[Path], spec: SessionsSpec) -> FirstPass:
    """Read the events once and return what the spec needs of all parts; the rest is empty."""
    by_time, paid = spec.split.by == "time", spec.cost == "purchases"
    columns = {*start_columns(spec), *(PRICE_COLUMNS if paid else ())}

    def read(index: int) -> Iterator[Sent]:
        for events in complete_groups(read_part(parts[index], sorted(columns)), "session_id"):
            if by_time:
                hours = Histogram.of_starts(kept_starts(events, spec), HOUR)
                yield _send(pa.Table.from_batches([hours.rows()]), HOURS)
            if paid:
                yield _send(prices_paid(events), PRICES)

    def gather(partition: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        if partition == HOURS:
            tables = iter([_sent(pa.Table.from_batches([Histogram.total(tables).rows()]))])
        for rows in tables:
            yield from rows.to_batches()

    rows = shuffle(session, len(parts), read, Exchange(SENT_SCHEMA, partitions=2), gather, SENT_SCHEMA)
    return FirstPass(
        Histogram.total([rows.filter(rows["begin"].is_valid())]),
        rows.filter(rows["item"].is_valid()).select(PRICE_SCHEMA.names),
    )


PRICE_COLUMNS = ("timestamp", "event", "item", "cost", "position")


def prices_paid(events: pa.Table) -> pa.Table:
    """Return the prices in the purchases among events (`PRICE_SCHEMA`)."""
    known = pc.and_(map_values(is_transaction, events["event"]), events["cost"].is_valid())
    paid = events.filter(known).select(["item", "timestamp", "position", "cost"])
    return paid.rename_columns(PRICE_SCHEMA.names).cast(PRICE_SCHEMA)


def _send(rows: pa.Table, partition: int) -> Sent:
    return _sent(rows), np.full(len(rows), partition, np.int32)


def _sent(rows: pa.Table) -> pa.Table:
    missing = {field.name: pa.nulls(len(rows), field.type) for field in SENT_SCHEMA}
    columns = missing | {name: rows[name] for name in rows.column_names}
    return pa.table(columns, schema=SENT_SCHEMA)
