"""Small raw logs for the tests, and a function that builds events from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rabbithole.artifacts.data import EventsManifest
from rabbithole.config.datasets import Dataset
from rabbithole.ingest.build import build_events
from rabbithole.specs.data import EventsSpec, SparkOptions

CLICKS = "".join(f"{n // 4},2014-04-07T10:5{n % 4}:09.277Z,{100 + n},0\n" for n in range(40))
EVENTS = "timestamp,visitorid,event,itemid,transactionid\n"
PROPERTIES = "timestamp,itemid,property,value\n"


def read(
    folder: Path,
    format: str,
    files: dict[str, str | bytes],
    spark: SparkOptions,
    *,
    max_rejected: float = 0.5,
    drop_duplicates: bool = True,
    hash_ids: str | None = None,
    lenient: bool = False,
) -> tuple[list[dict[str, Any]], EventsManifest]:
    """Write raw files and build events from them. Returns the rows of the events folder, and its manifest."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (raw / name).write_bytes(text.encode() if isinstance(text, str) else text)
    spec = EventsSpec(
        format=format,
        source=str(raw),
        max_rejected=max_rejected,
        drop_duplicates=drop_duplicates,
        hash_ids=hash_ids,
    )
    output = folder / "events"
    build_events(spec, output=output, rejected=folder / "rejected", spark=spark, lenient=lenient)
    return pq.read_table(output).to_pylist(), EventsManifest.of(output)


def rejected_lines(folder: Path) -> list[tuple[int, str]]:
    """Return the line number and the reason of each rejected line."""
    return [(row["line"], row["reason"]) for row in pq.read_table(folder / "rejected").to_pylist()]


def read_tables(
    folder: Path,
    files: Mapping[str, str | bytes],
    spark: SparkOptions,
    *,
    lenient: bool = False,
    **settings: Any,
) -> tuple[list[dict[str, Any]], EventsManifest]:
    """Write the files of a log of tables and build events from them, as the settings of a data set say.

    lenient: whether columns may be missing; settings: of the data set; `source` is the folder of the files by
    default. Returns the events sorted by session, time and place in the log, and their manifest.
    """
    raw = folder / "raw"
    for name, text in files.items():
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    dataset = Dataset.model_validate({"source": str(raw), "max_rejected": 0.0, "format": "table"} | settings)
    spec = EventsSpec(
        format=dataset.format,
        source=dataset.source,
        max_rejected=dataset.max_rejected,
        drop_duplicates=dataset.drop_duplicates,
        table=dataset.table_log,
        hash_ids=dataset.hash_ids,
    )
    output = folder / "events"
    # The step gets its spec as JSON.
    parsed = EventsSpec.parse(spec.to_json())
    build_events(parsed, output=output, rejected=folder / "rejected", spark=spark, lenient=lenient)
    rows = pq.read_table(output).to_pylist()
    rows.sort(key=lambda row: (row["session_id"], row["timestamp"], row["position"]))
    return rows, EventsManifest.of(output)
