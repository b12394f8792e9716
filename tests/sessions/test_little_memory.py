"""Logs that are larger than a worker's memory: runs on disk and side tables in files give the same rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pyarrow.parquet as pq
import pytest

from rabbithole.artifacts.data import EventsManifest, SessionsManifest
from rabbithole.config.datasets import Dataset
from rabbithole.specs.data import SparkOptions

pytestmark = pytest.mark.spark

EVENTS, ITEMS, START = 40_000, 300, 1_430_000_000_000


def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker sort a few thousand rows at once."""
    monkeypatch.setattr(SparkOptions, "run_bytes", property(lambda _: 300_000))
    # The same parts as with much memory.
    monkeypatch.setattr(SparkOptions, "partitions", lambda *_: 2)


def write_retailrocket(folder: Path) -> None:
    """Write a log in which one visitor has half of the events, with ties, repeats and item properties."""
    rng = np.random.default_rng(7)
    visitors = np.where(rng.random(EVENTS) < 0.5, 0, rng.integers(1, 900, EVENTS)).tolist()
    times = (START + rng.integers(0, 3000, EVENTS) * 60_000).tolist()
    kinds = rng.choice(["view", "addtocart", "transaction"], EVENTS, p=[0.95, 0.03, 0.02]).tolist()
    items = rng.integers(0, ITEMS, EVENTS).tolist()
    rows = [f"{t},{v},{k},{i}," for t, v, k, i in zip(times, visitors, kinds, items, strict=True)]
    rows[-400:] = rows[:400]
    (folder / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n" + "\n".join(rows) + "\n"
    )
    known = [
        f"{START + int(rng.integers(-100, 3000)) * 60_000},{item},{name},{value}"
        for item in range(0, ITEMS - 20)
        for name, value in (("categoryid", item % 17), ("790", f"n{item}.000"), ("888", "x")) * 12
    ]
    (folder / "item_properties_part1.csv").write_text(
        "timestamp,itemid,property,value\n" + "\n".join(known) + "\n"
    )


def write_yoochoose(folder: Path) -> None:
    """Write clicks and buys, so that costs come from many prices."""
    rng = np.random.default_rng(8)
    sessions, minutes = rng.integers(0, 3000, EVENTS), rng.integers(0, 60, EVENTS)
    clicks = [
        f"{s},2014-04-{1 + s % 28:02}T10:{m:02}:00.000Z,{i},0"
        for s, m, i in zip(sessions.tolist(), minutes.tolist(), rng.integers(0, ITEMS, EVENTS), strict=True)
    ]
    buys = [f"{s},2014-04-{1 + s % 28:02}T10:30:00.000Z,{s % ITEMS},{100 + s},1" for s in range(0, 3000, 3)]
    (folder / "yoochoose-clicks.dat").write_text("\n".join(clicks) + "\n")
    (folder / "yoochoose-buys.dat").write_text("\n".join(buys) + "\n")


def write_rees46(folder: Path) -> None:
    """Write a table with words in every column, some of them empty, with ties and repeats."""
    rng = np.random.default_rng(9)
    columns = [rng.integers(0, most, 2 * EVENTS).tolist() for most in (60, 3, ITEMS, 20, 30, 3000)]
    rows = [
        f"2019-10-{1 + s % 28:02} 10:{minute:02}:00 UTC,{('view', 'cart', 'purchase')[kind]},{item},7,"
        f"{f'a.b{category}' if category else ''},{f'brand {brand}' if brand else ''},{item}.50,{s % 900},s{s}"
        for minute, kind, item, category, brand, s in zip(*columns, strict=True)
    ]
    rows[-400:] = rows[:400]
    header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
    (folder / "2019-Oct.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(
    ("format", "write", "settings"),
    [
        ("retailrocket", write_retailrocket, {"by": "visitor", "cost": "event", "gap_minutes": 30.0}),
        ("yoochoose", write_yoochoose, {"by": "session", "cost": "purchases"}),
        ("rees46", write_rees46, {"by": "session", "cost": "event"}),
    ],
)
def test_a_log_larger_than_memory_gives_the_same_rows(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spark: SparkOptions,
    format: str,
    write: Callable[[Path], None],
    settings: dict[str, Any],
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw)
    two_parts = spark.model_copy(update={"threads": 2})
    table = Dataset.model_validate({"format": format, "source": str(raw)}).table_log
    for name in ("much", "little"):
        if name == "little":
            little_memory(monkeypatch)
        factories.build(
            tmp_path / name,
            two_parts,
            events=factories.events_spec(format, raw, table=table),
            sessions=factories.sessions_spec(**settings),
        )
    for step, manifest in (("events", EventsManifest), ("sessions", SessionsManifest)):
        much, little = tmp_path / "much" / step, tmp_path / "little" / step
        names = [path.name for path in sorted(much.iterdir())]
        assert names == [path.name for path in sorted(little.iterdir())]
        assert all(pq.read_table(much / name).equals(pq.read_table(little / name)) for name in names)
        first, second = manifest.of(much), manifest.of(little)
        assert first.model_copy(update={"files": second.files}) == second
    # The part was indeed sorted in runs.
    part = EventsManifest.parts(tmp_path / "little" / "events")[0]
    assert pq.read_metadata(part).num_row_groups > 1
