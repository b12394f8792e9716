"""The same log gives the same events and sessions: byte for byte, or row for row on other threads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.ingest import lines
from rabbithole.ingest.build import build_events
from rabbithole.ingest.locate import locate
from rabbithole.io.manifests import read_manifest
from rabbithole.sessions.build import build_sessions
from rabbithole.spark.session import SparkOptions

CLICKS = 90_000
ORDER = ("session_id", "timestamp", "position")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log of three mebibytes, which three tasks read, full of ties and repeats."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(5)
    sessions, items = rng.integers(4000, size=(2, CLICKS))
    seconds = rng.integers(60, size=CLICKS)
    clicks = [
        f"{session},2014-04-07T{session % 24:02}:00:{second:02}.000Z,{item % 300},0\n"
        for session, item, second in zip(sessions, items, seconds, strict=True)
    ]
    clicks[::1000] = ["no line\n"] * 90
    clicks[-500:] = clicks[1:501]
    (folder / "yoochoose-clicks.dat").write_text("".join(clicks))
    buys = (f"{s},2014-04-07T{s % 24:02}:00:50.000Z,{s % 300},{s},1\n" for s in range(0, 4000, 20))
    (folder / "yoochoose-buys.dat").write_text("".join(buys))
    return folder


def build(raw: Path, folder: Path, spark: SparkOptions) -> list[dict[str, Any]]:
    """Build events and sessions from a log; return the manifests of events, bad lines and sessions."""
    build_events(
        format="yoochoose",
        files=locate("yoochoose", raw),
        output=folder / "events",
        rejected=folder / "rejected",
        max_rejected=0.01,
        drop_duplicates=True,
        spark=spark,
    )
    build_sessions(
        events=folder / "events",
        output=folder / "sessions",
        by="session",
        gap_minutes=None,
        cost="purchases",
        split={"by": "time", "shares": [0.8, 0.1, 0.1]},
        open_horizon_hours=1.0,
        seed=0,
        spark=spark,
    )
    return [read_manifest(folder / name) for name in ("events", "rejected", "sessions")]


def rows(folder: Path, *order: str) -> pa.Table:
    """Return a folder's rows in an order that hangs on no part."""
    return pq.read_table(folder).sort_by([(name, "ascending") for name in order]).combine_chunks()


def test_the_same_log_gives_the_same_bytes(tmp_path: Path, spark: SparkOptions, raw: Path) -> None:
    """As many parts as threads are written, so only the rows are the same on another number of them."""
    assert len(lines.cut([lines.RawFile("clicks", "", str(raw / "yoochoose-clicks.dat"), 0)], 3)) == 3
    three = replace(spark, threads=3)
    first, second = build(raw, tmp_path / "1", three), build(raw, tmp_path / "2", three)
    assert first == second
    one = build(raw, tmp_path / "one", spark)
    for many_threads, one_thread in zip(first, one, strict=True):
        assert len(many_threads.pop("files")) >= len(one_thread.pop("files"))
        assert many_threads == one_thread
    (part,) = (tmp_path / "one" / "events").glob("*.parquet")
    written = pq.read_table(part)
    assert written.equals(written.sort_by([(name, "ascending") for name in ORDER]))
    assert one[0]["lines"]["duplicates"] > 400
    assert one[0]["rejected"] > 80
    for name, order in [
        ("events", ["position"]),
        ("rejected", ["file", "line"]),
        ("sessions", ["session_id"]),
    ]:
        assert rows(tmp_path / "1" / name, *order).equals(rows(tmp_path / "one" / name, *order))
