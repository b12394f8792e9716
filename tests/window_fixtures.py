"""A small windows folder, as the windows step writes it, made of sessions that a test gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.io.atomic import write_json
from rabbithole.io.manifests import write_manifest
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, NUMERIC

SIZES = {"event": 7, "item": 31, "category": 11, "hour": 28, "weekday": 11, "month": 17, "week": 57}

SCHEMA = pa.schema(
    [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
    + [(field, pa.list_(pa.int32())) for field in CATEGORICAL]
    + [(field, pa.list_(pa.float32())) for field in NUMERIC]
)

Session = dict[str, Any]


def session(
    name: str, buyer: int, items: list[int], *, dwell: list[float | None] | None = None, **fields: list[int]
) -> Session:
    """Return a row: items and other fields by code; a field not given has its first value at every step."""
    steps = len(items)
    row: Session = {"session_id": name, "buyer": buyer, "events": steps}
    row |= {field: fields.get(field, [FIRST_VALUE] * steps) for field in CATEGORICAL}
    row["item"] = items
    row["dwell"] = [None] + [0.5] * (steps - 1) if dwell is None else dwell
    row["cost"] = [None] * steps
    return row


def random_sessions(
    count: int, rng: np.random.Generator, *, prefix: str, buyers: float = 0.3, longest: int = 9
) -> list[Session]:
    """Return sessions in which buyers look at items of higher code, more often than not."""
    rows = []
    for number in range(count):
        buyer, steps = int(rng.random() < buyers), int(rng.integers(1, longest + 1))
        items = rng.integers(4, 20, steps) + buyer * rng.integers(0, 11, steps)
        hours = rng.integers(4, SIZES["hour"], steps).tolist()
        rows.append(session(f"{prefix}{number:06d}", buyer, items.tolist(), hour=hours))
    return rows


def write_windows(
    folder: Path,
    *,
    length: int = 10,
    sizes: dict[str, int] = SIZES,
    vocabularies: dict[str, list[str]] | None = None,
    **splits: list[Session],
) -> Path:
    """Write a windows folder with the given splits (train, valid, test, test_beginnings, ...)."""
    for split in {
        "train": [],
        "valid": [],
        "test": [],
        "valid_beginnings": [],
        "test_beginnings": [],
    } | splits:
        rows = splits.get(split, [])
        (folder / split).mkdir(parents=True)
        half = len(rows) // 2
        # Two files, the later sessions first: readers must sort.
        for number, part in enumerate((rows[half:], rows[:half])):
            pq.write_table(pa.Table.from_pylist(part, SCHEMA), folder / split / f"part-{number}.parquet")
    write_json(
        folder / "encoder.json",
        {
            "sizes": sizes,
            "roots": [],
            "length": length,
            "vocabularies": vocabularies or {},
            "numeric": {field: {"mean": 0.0, "deviation": 1.0} for field in NUMERIC},
            "minimum_item_count": 1,
            "timezone": "UTC",
        },
    )
    write_manifest(folder)
    return folder
