"""Windows folders, as the windows step writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factories.manifests import windows_manifest
from rabbithole.artifacts.data import EncoderFile, NormaliserRecord, WindowsManifest
from rabbithole.io.parts import manifest_path
from rabbithole.sessions.splitting import SPLITS
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE, NUMERIC, STANDARD

SIZES = {"event": 7, "item": 31, "category": 11, "hour": 28, "weekday": 11, "month": 17, "week": 57}
"""Codes of each categorical field: sizes that differ, so that a mix-up of fields shows."""

NETWORK_SIZES = SIZES | dict.fromkeys(NUMERIC, 0)
"""The same as networks take them: 0 for a number."""

WINDOW_SCHEMA = pa.schema(
    [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
    + [(field, pa.list_(pa.int32())) for field in CATEGORICAL]
    + [(field, pa.list_(pa.float32())) for field in NUMERIC]
)

Row = dict[str, Any]


def window(
    name: str, buyer: int, items: list[int], *, dwell: list[float | None] | None = None, **fields: list[int]
) -> Row:
    """Return the window of one session as a row.

    items, fields: codes per step; a categorical field without codes has its first value at every step.
    """
    steps = len(items)
    row: Row = {"session_id": name, "buyer": buyer, "events": steps}
    row |= {field: fields.get(field, [FIRST_VALUE] * steps) for field in CATEGORICAL}
    row["item"] = items
    row["dwell"] = [None] + [0.5] * (steps - 1) if dwell is None else dwell
    row["cost"] = [None] * steps
    return row


def random_windows(
    count: int, rng: np.random.Generator, *, prefix: str, buyers: float = 0.3, longest: int = 9
) -> list[Row]:
    """Return windows in which buyers tend to look at items of higher code."""
    rows = []
    for number in range(count):
        buyer, steps = int(rng.random() < buyers), int(rng.integers(1, longest + 1))
        items = rng.integers(4, 20, steps) + buyer * rng.integers(0, 11, steps)
        hours = rng.integers(4, SIZES["hour"], steps).tolist()
        rows.append(window(f"{prefix}{number:06d}", buyer, items.tolist(), hour=hours))
    return rows


def write_windows(
    folder: Path,
    *,
    length: int = 10,
    sizes: dict[str, int] = SIZES,
    vocabularies: dict[str, list[str]] | None = None,
    **splits: list[Row],
) -> Path:
    """Write a windows folder with rows per split (train, valid, test, valid_prefixes, test_prefixes)."""
    for split in (*SPLITS, "valid_prefixes", "test_prefixes"):
        rows = splits.get(split, [])
        (folder / split).mkdir(parents=True)
        half = len(rows) // 2
        # Two files, the later sessions first: readers must sort.
        for number, part in enumerate((rows[half:], rows[:half])):
            table = pa.Table.from_pylist(part, WINDOW_SCHEMA)
            pq.write_table(table, folder / split / f"part-{number}.parquet")
    EncoderFile(
        fields=STANDARD,
        vocabularies=vocabularies or {},
        rare={},
        sizes=sizes,
        roots=[],
        numeric={field: NormaliserRecord(mean=0.0, deviation=1.0) for field in NUMERIC},
        length=length,
        timezone="UTC",
    ).write(folder / "encoder.json")
    manifest = windows_manifest(files=WindowsManifest.files_of(folder), sizes=sizes, length=length)
    manifest.write(manifest_path(folder))
    return folder
