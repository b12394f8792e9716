"""Raw YOOCHOOSE log to lists of steps with our own Spark code: `python spark_etl.py RAW OUTPUT`.

It does the same work as the other libraries: no cost, no split, no encoding. Prints how long Spark took to
start.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from rabbithole.formats.yoochoose import FORMAT
from rabbithole.ingest.lines import RawFile, split_files, unpacked_size
from rabbithole.ingest.reading import collect_report, read_range
from rabbithole.ingest.row_schema import RAW_EVENT_SCHEMA
from rabbithole.io.parts import PartWriter
from rabbithole.io.sorting import sort_rows
from rabbithole.sessions.cutting import cut_sessions
from rabbithole.spark.session import spark_session
from rabbithole.spark.shuffle import REPORT_SCHEMA, Sent, ShufflePlan, partition_of, shuffle
from rabbithole.specs.data import SessionsSpec, SparkOptions, SplitSpec
from rabbithole.windows.steps import CALENDAR, calendar

LENGTH = 100
SPEC = SessionsSpec(
    by="session",
    cost="event",
    gap_minutes=None,
    open_horizon_hours=None,
    until="purchase",
    minimum_events=1,
    sample=1.0,
    split=SplitSpec(by="hash", shares=(0.8, 0.1, 0.1)),
    seed=0,
)
"""How events are cut; nothing is split here."""

COLUMNS = {
    "time": pa.timestamp("us", "UTC"),
    "item": pa.string(),
    "category": pa.string(),
    "dwell": pa.float64(),
}
LISTS = COLUMNS | {name: pa.int32() for name in CALENDAR}
SCHEMA = pa.schema(
    [
        ("session", pa.string()),
        ("buyer", pa.bool_()),
        *((name, pa.list_(kind)) for name, kind in LISTS.items()),
    ]
)


class StepsTask:
    """Writes the sessions in the rows of a partition."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, partition: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Write the part and yield an empty report."""
        # Partitions of this log are smaller than a run.
        (rows,) = tables
        with PartWriter(self.folder, partition, SCHEMA) as writer:
            writer.write(self._steps(sort_rows(rows)))
        yield pa.record_batch({"facts": ["{}"]})

    def _steps(self, rows: pa.Table) -> pa.Table:
        cut = cut_sessions(rows, SPEC)
        not_empty = cut.kept > 0
        kept, times = cut.kept[not_empty], cut.times[cut.keep]
        ends = np.cumsum(kept)
        dwell = np.diff(times, prepend=0) / 1e6
        dwell[ends - kept] = np.nan
        lengths = np.minimum(kept, LENGTH)
        offsets = np.append(0, np.cumsum(lengths))
        last = np.arange(offsets[-1]) + np.repeat(ends - lengths - offsets[:-1], lengths)
        chosen = rows.take(pa.array(np.flatnonzero(cut.keep)[last]))
        flat = {
            "time": chosen["timestamp"].combine_chunks(),
            "item": chosen["item"].combine_chunks(),
            "category": chosen["category"].combine_chunks(),
            "dwell": pa.array(dwell[last], from_pandas=True),
            **calendar(times[last], "UTC"),
        }
        bounds = pa.array(offsets.astype(np.int32))
        table = {
            "session": rows["session_id"].take(pa.array(cut.offsets[:-1][not_empty])),
            "buyer": pa.array(cut.buyer[not_empty]),
            **{name: pa.ListArray.from_arrays(bounds, values) for name, values in flat.items()},
        }
        return pa.table(table)


def run(raw: Path, output: Path) -> None:
    """Write session, buyer and the lists of the last 100 steps before the first purchase."""
    options = SparkOptions(threads=int(os.environ["THREADS"]), memory_mb=10_000)
    roles = {role.name: role for role in FORMAT.roles}
    files = [
        RawFile(role.name, role.published[0], str(raw / role.published[0]), rank)
        for rank, role in enumerate(FORMAT.roles)
    ]
    count = options.partitions(unpacked_size(files))
    ranges = split_files(files, count)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, spark_session(options, "benchmark") as spark:
        print(f"start-up {time.perf_counter() - began:.2f}")
        side = Path(scratch)

        def read(index: int) -> Iterator[Sent]:
            for table in read_range(ranges[index], roles[ranges[index].file.role], side):
                yield table, partition_of(table["session_id"], count)

        plan = ShufflePlan(RAW_EVENT_SCHEMA, count, options.run_bytes)
        shuffle(spark, len(ranges), read, plan, StepsTask(output), REPORT_SCHEMA)
        report = collect_report(ranges, side, output / "_rejected")
        assert report.total("rejected") == 0


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
