"""The exact times at which valid and test begin, and the visitors on both sides of them, by counting.

No process holds the start of every session: tasks count starts in buckets of time, and look closer only at
the buckets that hold a bound. Visitors are compared in partitions of their hash.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from rabbithole.io.parts import complete_groups, read_part
from rabbithole.io.storage import Part, fetched
from rabbithole.sessions.cutting import cut_sessions
from rabbithole.sessions.splitting import SPLITS, count_crossings, hash_keys, split_ranks, visitor_spans
from rabbithole.spark.shuffle import Sent, ShufflePlan, shuffle
from rabbithole.specs.data import SessionsSpec

HOUR = 3_600_000_000
SECOND = 1_000_000
"""Widths of buckets, in microseconds."""

MAX_STARTS = 2**20
"""Starts of a bucket that are counted by microsecond at once; those of a fuller one by second first."""

HISTOGRAM_SCHEMA = pa.schema([("begin", pa.int64()), ("sessions", pa.int64())])
"""Columns of a `Histogram`."""

START_COLUMNS = ("session_id", "timestamp", "event")
"""Columns of events from which the starts of sessions follow; a sample needs `visitor` too."""


class Histogram(NamedTuple):
    """Sessions by bucket of their start: begins, rising, and sessions, both int64 [buckets]."""

    begins: NDArray[np.int64]
    sessions: NDArray[np.int64]

    @classmethod
    def of_starts(cls, starts: NDArray[np.int64], width: int) -> "Histogram":
        """Count start times (microseconds since 1970) in buckets of a width."""
        begins, sessions = np.unique(starts // width * width, return_counts=True)
        return cls(begins, sessions.astype(np.int64))

    @classmethod
    def total(cls, tables: Iterable[pa.Table]) -> "Histogram":
        """Add up tables with the columns of `HISTOGRAM_SCHEMA`."""
        begins = sessions = np.empty(0, np.int64)
        for rows in tables:
            begins, index = np.unique(np.append(begins, rows["begin"].to_numpy()), return_inverse=True)
            counts = np.append(sessions, rows["sessions"].to_numpy())
            sessions = np.zeros(len(begins), np.int64)
            np.add.at(sessions, index, counts)
        return cls(begins, sessions)

    def rows(self) -> pa.RecordBatch:
        """Return the histogram as rows of `HISTOGRAM_SCHEMA`."""
        return pa.record_batch(list(map(pa.array, self)), schema=HISTOGRAM_SCHEMA)

    def places(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the buckets that hold the starts of some ranks, which count from 0."""
        return np.searchsorted(np.cumsum(self.sessions), ranks, side="right")

    def refined(self, places: NDArray[np.int64], finer: "Histogram") -> "Histogram":
        """Return the histogram with the buckets at some places replaced by narrower ones."""
        begins = np.concatenate([np.delete(self.begins, places), finer.begins])
        sessions = np.concatenate([np.delete(self.sessions, places), finer.sessions])
        order = np.argsort(begins)
        return Histogram(begins[order], sessions[order])


class Buckets(NamedTuple):
    """Buckets of one width in microseconds, by their starts."""

    begins: NDArray[np.int64]
    width: int

    def inside(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those start times that lie in the buckets."""
        return starts[np.isin(starts // self.width * self.width, self.begins)]


def exact_bounds(
    hours: Histogram, count: Callable[[Buckets, int], Histogram], shares: Sequence[float]
) -> NDArray[np.int64]:
    """Return the times at which valid and test begin, int64 [2], so that the splits get their shares.

    A bound is the start at its rank (`split_ranks`), to the microsecond. hours: all starts by hour;
    `count(buckets, width)` counts the starts inside some buckets again, with a narrower width.
    """
    ranks = split_ranks(int(hours.sessions.sum()), shares)
    histogram, width = hours, HOUR
    while width > 1:
        places = np.unique(histogram.places(ranks))
        full = histogram.sessions[places].max() > MAX_STARTS
        narrower = SECOND if full and width > SECOND else 1
        finer = count(Buckets(histogram.begins[places], width), narrower)
        if finer.sessions.sum() != histogram.sessions[places].sum():
            raise RuntimeError("The starts of sessions differ between two passes.")
        histogram, width = histogram.refined(places, finer), narrower
    return histogram.begins[histogram.places(ranks)]


def count_starts(
    session: SparkSession, parts: Sequence[Part], spec: SessionsSpec, buckets: Buckets, width: int
) -> Histogram:
    """Count the starts, in some buckets, of the sessions that keep an event. parts: of events."""

    def read(index: int) -> Iterator[Sent]:
        for events in complete_groups(read_part(parts[index], start_columns(spec)), "session_id"):
            starts = buckets.inside(kept_starts(events, spec))
            if len(starts):
                rows = pa.Table.from_batches([Histogram.of_starts(starts, width).rows()])
                yield rows, np.zeros(len(rows), np.int32)

    def gather(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        yield Histogram.total(tables).rows()

    plan = ShufflePlan(HISTOGRAM_SCHEMA, partitions=1)
    return Histogram.total([shuffle(session, len(parts), read, plan, gather, HISTOGRAM_SCHEMA)])


def start_columns(spec: SessionsSpec) -> list[str]:
    """Return the columns of events that `kept_starts` needs."""
    return [*START_COLUMNS, *(["visitor"] if spec.sample < 1 else [])]


def kept_starts(events: pa.Table, spec: SessionsSpec) -> NDArray[np.int64]:
    """Return when the sessions that keep an event start, int64 microseconds since 1970."""
    cut = cut_sessions(events, spec)
    return cut.start_times[cut.kept > 0]


def visitors_on_both_sides(
    session: SparkSession, parts: Sequence[Part], bounds: NDArray[np.int64]
) -> list[int]:
    """Return how many visitors have sessions on both sides of each bound. parts: of sessions.

    The sessions of a visitor may be in several parts, if the log has its own sessions. Visitors are compared
    by their hashes, each in the partition of its hash.
    """
    sent = pa.schema([("visitor", pa.uint64()), ("earliest", pa.int64()), ("latest", pa.int64())])
    returned = pa.schema([(name, pa.int64()) for name in SPLITS[1:]])

    def read(index: int) -> Iterator[Sent]:
        with fetched(parts[index]) as path, pq.ParquetFile(path) as part:
            for batch in part.iter_batches(columns=["visitor", "start"]):
                known = batch.filter(batch["visitor"].is_valid())
                if len(known):
                    visitors, starts = hash_keys(known["visitor"]), known["start"].cast(pa.int64())
                    rows = pa.table({"visitor": visitors, "earliest": starts, "latest": starts})
                    rows = visitor_spans(rows)
                    yield rows, (rows["visitor"].to_numpy() % np.uint64(len(parts))).astype(np.int32)

    def gather(_: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        spans = sent.empty_table()
        for rows in tables:
            spans = visitor_spans(pa.concat_tables([spans, rows]))
        yield pa.record_batch([[count] for count in count_crossings(spans, bounds)], schema=returned)

    counted = shuffle(session, len(parts), read, ShufflePlan(sent, len(parts)), gather, returned)
    return [sum(counted[name].to_pylist()) for name in SPLITS[1:]]
