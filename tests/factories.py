"""The one factory of test data: events, sessions and windows as folders with their manifests."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import EncoderFile, EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.io.parts import manifest_path
from rabbithole.specs.training import (
    NetworkSettings,
    NetworkTraining,
    TrainSpec,
    TreesSettings,
    TreesTraining,
)
from rabbithole.windows.fields import CATEGORICAL, FIELDS, FIRST_VALUE, NUMERIC

SPLITS = ("train", "valid", "test")

SIZES = {"event": 7, "item": 31, "category": 11, "hour": 28, "weekday": 11, "month": 17, "week": 57}
"""Codes of each categorical field: sizes that differ, so that a mix-up of fields shows."""

WINDOW_SCHEMA = pa.schema(
    [("session_id", pa.string()), ("buyer", pa.int8()), ("events", pa.int32())]
    + [(field, pa.list_(pa.int32())) for field in CATEGORICAL]
    + [(field, pa.list_(pa.float32())) for field in NUMERIC]
)

Row = dict[str, Any]


def events_manifest(**changes: Any) -> EventsManifest:
    """Return a valid manifest of a small Retailrocket log, with some entries changed."""
    values: Row = {
        "files": {},
        "format": "retailrocket",
        "rows": 5120,
        "sessions": 1511,
        "visitors": 1511,
        "items": 211,
        "events": {"addtocart": 60, "transaction": 43, "view": 5017},
        "first": "2015-05-03T03:00:04.384+00:00",
        "last": "2015-09-18T02:59:47.788+00:00",
        "last_microseconds": 1442545187788000,
        "lines": {"lines": 5131, "header": 1, "blank": 0, "rejected": 3, "duplicates": 7, "kept": 5120},
        "files_read": [
            {
                "file": "events.csv",
                "role": "events",
                "lines": 5131,
                "header": 1,
                "blank": 0,
                "rows": 5127,
                "rejected": 3,
            }
        ],
        "files_missing": [],
        "rejected": 3,
        "rejected_reasons": {"time is not a time": 3},
        "rejected_examples": [],
        "columns": {},
        "share_with_category": 0.91,
        "share_with_cost": 0.0,
        "share_category_in_tree": None,
        "category_tree": None,
        "category_roots": None,
        "category_history": None,
        "cost_history": None,
    }
    return EventsManifest.model_validate(values | changes)


def sessions_manifest(**changes: Any) -> SessionsManifest:
    """Return a valid manifest of sessions by visitor, split by time, with some entries changed."""
    values: Row = {
        "files": {},
        "rows": 1511,
        "sessions": 1511,
        "buyers": 41,
        "open": 12,
        "dropped": 3,
        "excluded": {},
        "splits": {
            "train": {"sessions": 1209, "buyers": 33, "open": 0},
            "valid": {"sessions": 151, "buyers": 4, "open": 0},
            "test": {"sessions": 151, "buyers": 4, "open": 12},
        },
        "split_by": "time",
        "shares": [0.8, 0.1, 0.1],
        "boundaries": [
            {"begins": "valid", "time": "2015-08-20T03:11:04.384+00:00", "visitors_on_both_sides": 0},
            {"begins": "test", "time": "2015-09-03T13:00:00.000+00:00", "visitors_on_both_sides": 17},
        ],
        "events": {"total": 5120, "kept": 5011, "cut": 103, "dropped": 6},
        "lengths": {
            "mean": 3.32,
            "median": 2,
            "longest": 211,
            "quantiles": {"0.5": 2, "0.9": 7, "0.99": 31},
            "histogram": [
                {"first": 1, "last": 1, "sessions": 604},
                {"first": 2, "last": None, "sessions": 907},
            ],
        },
        "by": "visitor",
        "gap_minutes": None,
        "open_minutes": 1440.0,
        "until": "purchase",
        "minimum_events": 1,
        "sample": 1.0,
        "cost": "event",
        "prices": None,
        "price_history": None,
        "category_roots": None,
        "columns": {},
    }
    return SessionsManifest.model_validate(values | changes)


def windows_manifest(**changes: Any) -> WindowsManifest:
    """Return a valid manifest of windows, with some entries changed."""
    none = dict.fromkeys(CATEGORICAL, 0)
    split = {"buyers": 4, "cut_short": 1, "missing": none, "rows": 150, "steps": 500, "unseen": none}
    values: Row = {
        "files": {},
        "rows": 450,
        "splits": dict.fromkeys(SPLITS, split),
        "open": 12,
        "events": {"total": 5011, "kept": 1500, "open": 120, "beyond": 3391},
        "keep_open": False,
        "sizes": dict.fromkeys(CATEGORICAL, 9),
        "rare_items": 7,
        "length": 100,
        "minimum_item_count": 5,
        "timezone": "UTC",
        "fields": list(FIELDS),
        "columns": {},
        "price_history": None,
    }
    return WindowsManifest.model_validate(values | changes)


def network_settings(**changes: Any) -> NetworkSettings:
    """Return the settings of a tiny network, with some entries changed."""
    values: Row = {
        "embedding_width": 4,
        "width": 8,
        "layers": 1,
        "dropout": 0.1,
        "learning_rate": 0.01,
        "weight_decay": 0.0001,
    }
    return NetworkSettings(**values | changes)


def network_training(**changes: Any) -> NetworkTraining:
    """Return how to train a tiny network, with some entries changed."""
    values: Row = {"batch_size": 64, "epochs": 2, "patience": 2, "unseen_share": 0.01}
    return NetworkTraining(**values | changes)


def train_spec(model: str = "gru", **changes: Any) -> TrainSpec:
    """Return the spec of a short training on the purchase target, with some entries changed."""
    trees = model == "gradient_boosting"
    values: Row = {
        "model": model,
        "settings": TreesSettings(learning_rate=0.1, iterations=60, leaves=8)
        if trees
        else network_settings(),
        "training": TreesTraining(unseen_share=0.01) if trees else network_training(),
        "balance": "none",
        "augmentation": {"prefixes": True, "event_dropout": 0.0},
        "target": "buyer",
        "seed": 0,
    }
    return TrainSpec(**values | changes)


def window(
    name: str, buyer: int, items: list[int], *, dwell: list[float | None] | None = None, **fields: list[int]
) -> Row:
    """Return the window of one session as a row.

    items, fields: codes per step; a categorical field that is not given has its first value at every step.
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
        vocabularies=vocabularies or {},
        rare=[],
        sizes=sizes,
        roots=[],
        numeric={field: {"mean": 0.0, "deviation": 1.0} for field in NUMERIC},  # type: ignore[dict-item]
        length=length,
        minimum_item_count=1,
        timezone="UTC",
    ).write(folder / "encoder.json")
    manifest = windows_manifest(files=WindowsManifest.digests(folder), sizes=sizes, length=length)
    manifest.write(manifest_path(folder))
    return folder
