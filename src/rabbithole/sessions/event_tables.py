"""Hands the events of all parts to the tasks that make sessions of them, with all events of each session."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import SparkSession

from rabbithole.io.parts import DICTIONARY_COLUMNS, DICTIONARY_TYPE, complete_groups, read_part
from rabbithole.io.sorting import SortKey, merged_tables, sort_rows
from rabbithole.io.storage import Part
from rabbithole.sessions.histories import HISTORY_KEY, with_history_key
from rabbithole.sessions.session_task import LISTS, SessionPlan
from rabbithole.spark.shuffle import REPORT_SCHEMA, Sent, ShufflePlan, map_indexed, partition_of, shuffle
from rabbithole.specs.data import SessionsSpec, SparkOptions

Work = Callable[[int, Iterator[pa.Table]], Iterable[pa.RecordBatch]]
"""Makes a part of sessions, with a number, from tables of events; returns a report."""

HISTORY_ORDER = SortKey(HISTORY_KEY, "timestamp", "position")

HISTORY_ROWS = 50_000
"""Events that are turned into sessions with history at once, if no visitor has more."""


def needs_shuffle(spec: SessionsSpec) -> bool:
    """Return whether events must move, so that one task has all sessions of a visitor.

    Parts of events hold whole sessions: those of a visitor are in one part only if the visitor is the key.
    """
    return spec.history > 0 and spec.by == "session"


def map_sessions(
    session: SparkSession, parts: Sequence[Part], plan: SessionPlan, options: SparkOptions, work: Work
) -> pa.Table:
    """Return the reports of `work(number, tables)`, a task for each part of sessions.

    tables: events, sorted, with all events of each session; with history, all events of each visitor, too.
    """
    if needs_shuffle(plan.spec):
        return _shuffled(session, parts, plan, options, work)

    def run(index: int) -> Iterable[pa.RecordBatch]:
        return work(index, read_events(parts[index], plan))

    return map_indexed(session, len(parts), run, REPORT_SCHEMA)


def read_events(part: Part, plan: SessionPlan) -> Iterator[pa.Table]:
    """Yield the events of a part in tables that hold all events of each key.

    With history, each event may stand in many sessions, so fewer events are in memory at once.
    """
    batches = read_part(part, coded=plan.further.categorical)
    if not plan.spec.history:
        return complete_groups(batches, "session_id")
    slices = (
        batch.slice(start, HISTORY_ROWS) for batch in batches for start in range(0, len(batch), HISTORY_ROWS)
    )
    return complete_groups(slices, "session_id", HISTORY_ROWS)


def _shuffled(
    session: SparkSession, parts: Sequence[Part], plan: SessionPlan, options: SparkOptions, work: Work
) -> pa.Table:
    """Bring the sessions of each visitor to one task; see `map_sessions`."""
    partitions, run_bytes, further = len(parts), options.run_bytes, plan.further
    schema = pa.schema(
        [
            ("session_id", pa.string()),
            ("visitor", pa.string()),
            *LISTS.items(),
            *((name, pa.string()) for name in further.categorical),
            *((name, pa.float64()) for name in further.numeric),
            ("position", pa.int64()),
            (HISTORY_KEY, pa.string()),
        ]
    )
    coded = dict.fromkeys((*DICTIONARY_COLUMNS, *further.categorical), DICTIONARY_TYPE)
    in_memory = pa.schema([(field.name, coded.get(field.name, field.type)) for field in schema])

    def read(index: int) -> Iterator[Sent]:
        for events in complete_groups(read_part(parts[index]), "session_id"):
            rows = with_history_key(events).select(schema.names).cast(schema)
            yield rows, partition_of(rows[HISTORY_KEY], partitions)

    def gather(partition: int, runs: Iterator[pa.Table]) -> Iterable[pa.RecordBatch]:
        batches = (
            batch
            for rows in merged_tables(runs, HISTORY_ORDER, run_bytes)
            for batch in sort_rows(rows, HISTORY_ORDER).to_batches(HISTORY_ROWS)
        )
        visitors = complete_groups(batches, HISTORY_KEY, HISTORY_ROWS)
        return work(partition, (sort_rows(events).cast(in_memory) for events in visitors))

    return shuffle(
        session, len(parts), read, ShufflePlan(schema, partitions, run_bytes), gather, REPORT_SCHEMA
    )
