"""Events as JSON lines in the order of time, simulated or of a log, for the benchmarks of a model at work."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EventsManifest
from rabbithole.config.datasets import Dataset
from rabbithole.ingest.build import build_events
from rabbithole.serving.folder import ModelFolder
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import EventsSpec, SparkOptions
from rabbithole.specs.table import CART, PURCHASE

SESSIONS_PER_MINUTE = 1_000_000 / (24 * 60)
EVENTS_PER_SESSION = 10
DWELL_MILLISECONDS = 60_000
UNKNOWN, CARTS, PURCHASES = 0.05, 0.03, 0.005
"""Shares of events: of an item that the model does not know, carts, purchases."""


def simulated_lines(folder: ModelFolder) -> Iterator[bytes]:
    """Yield the events of a busy shop without end: a million sessions a day, ten events each.

    Lengths are geometric, pauses exponential, and items are drawn from those that the model knows, a few of
    them very often.
    """
    rng = np.random.default_rng(0)
    items = np.array([*folder.encoder.fitted.vocabularies.get("item", ("1",)), "unknown"])
    popularity = np.arange(1, len(items)) ** -0.8
    chances = np.append(popularity / popularity.sum() * (1 - UNKNOWN), UNKNOWN)
    kinds = np.array(["view", CART, PURCHASE])
    key = "visitor" if folder.manifest.sessions.by == "visitor" else "session_id"
    begin = np.datetime64("2014-09-01T00:00:00", "ms")
    pending = np.empty((2, 0), np.int64)
    sessions = 0
    for minute in count(1):
        new = rng.poisson(SESSIONS_PER_MINUTE)
        lengths = rng.geometric(1 / EVENTS_PER_SESSION, new)
        pauses = rng.exponential(DWELL_MILLISECONDS, lengths.sum())
        first = np.cumsum(lengths) - lengths
        pauses[first] = rng.uniform(0, DWELL_MILLISECONDS, new)
        since = np.cumsum(pauses) - np.repeat(np.cumsum(pauses)[first] - pauses[first], lengths)
        times = (minute - 1) * 60_000 + since.astype(np.int64)
        pending = np.hstack([pending, [times, np.repeat(np.arange(sessions, sessions + new), lengths)]])
        sessions += new
        pending = pending[:, np.argsort(pending[0], kind="stable")]
        now, pending = np.split(pending, [np.searchsorted(pending[0], minute * 60_000)], axis=1)
        events = now.shape[1]
        for session, time, kind, item in zip(
            now[1].tolist(),
            np.datetime_as_string(begin + now[0].astype("m8[ms]"), timezone="UTC").tolist(),
            rng.choice(kinds, events, p=[1 - CARTS - PURCHASES, CARTS, PURCHASES]).tolist(),
            rng.choice(items, events, p=chances).tolist(),
            strict=True,
        ):
            yield (
                f'{{"{key}":"s{session}","timestamp":"{time}","event":"{kind}","item":"{item}"}}\n'
            ).encode()


def log_lines(folder: ModelFolder, log: Path, format: str | None, scratch: Path) -> list[bytes]:
    """Return the events of a raw log.

    format: how it is read, None for as the model's own log. A visitor is a session where the model's shop has
    sessions and this log has none.
    """
    spec = folder.manifest.events.model_copy(update={"source": str(log)})
    if format is not None:
        dataset = Dataset.model_validate({"format": format, "source": str(log)})
        spec = EventsSpec(
            format=format,
            source=str(log),
            max_rejected=dataset.max_rejected,
            drop_duplicates=dataset.drop_duplicates,
            table=dataset.table_log,
        )
    spark = SparkOptions(threads=1, memory_mb=2000)
    with spark_session(spark, "bench-stream"):
        build_events(spec, output=scratch / "events", rejected=scratch / "rejected", spark=spark)
    events = pa.concat_tables(pq.read_table(part) for part in EventsManifest.parts(scratch / "events"))
    events = events.sort_by([("timestamp", "ascending"), ("position", "ascending")]).drop_columns("position")
    return [
        json.dumps({name: value for name, value in row.items() if value is not None}, default=str).encode()
        + b"\n"
        for row in events.to_pylist()
    ]
