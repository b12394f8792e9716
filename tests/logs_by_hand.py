"""Small raw logs by hand, and the events that are read from them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rabbithole.ingest.build import build_events
from rabbithole.ingest.locate import locate
from rabbithole.spark.session import SparkOptions

CLICKS = "".join(f"{n // 4},2014-04-07T10:5{n % 4}:09.277Z,{100 + n},0\n" for n in range(40))
EVENTS = "timestamp,visitorid,event,itemid,transactionid\n"


def read(
    folder: Path, format: str, files: dict[str, str | bytes], spark: SparkOptions, **settings: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write raw files, read them; return events in the order in which they were written, and the manifest."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (raw / name).write_bytes(text.encode() if isinstance(text, str) else text)
    options = {"max_rejected": 0.5, "drop_duplicates": True} | settings
    output, rejected = folder / "events", folder / "rejected"
    build_events(
        format=format, files=locate(format, raw), output=output, rejected=rejected, spark=spark, **options
    )
    return pq.read_table(output).to_pylist(), json.loads((folder / "events.json").read_text())


def set_aside(folder: Path) -> list[tuple[int, str]]:
    """Return line and reason of what was set aside."""
    return [(row["line"], row["reason"]) for row in pq.read_table(folder / "rejected").to_pylist()]
