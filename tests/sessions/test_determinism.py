"""Equal logs give equal events and sessions: byte for byte, and row for row with other thread counts."""

from pathlib import Path

import factories
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.artifacts.base import Manifest
from rabbithole.artifacts.data import EventsManifest, RejectedManifest, SessionsManifest
from rabbithole.ingest.lines import RawFile, split_files
from rabbithole.specs.data import SparkOptions, SplitSpec

pytestmark = pytest.mark.spark

CLICKS = 90_000
ORDER = ("session_id", "timestamp", "position")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log of three mebibytes (three tasks), with ties and repeated lines."""
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


def build(raw: Path, folder: Path, spark: SparkOptions) -> list[Manifest]:
    """Build events and sessions from a log; return the manifests of events, rejected lines and sessions."""
    factories.build(
        folder,
        spark,
        events=factories.events_spec("yoochoose", raw, max_rejected=0.01),
        sessions=factories.sessions_spec(
            by="session",
            cost="purchases",
            split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
            open_horizon_hours=1.0,
        ),
    )
    return [
        EventsManifest.of(folder / "events"),
        RejectedManifest.of(folder / "rejected"),
        SessionsManifest.of(folder / "sessions"),
    ]


def rows(folder: Path, *order: str) -> pa.Table:
    """Return a folder's rows in an order that does not depend on its parts."""
    return pq.read_table(folder).sort_by([(name, "ascending") for name in order]).combine_chunks()


def test_the_same_log_gives_the_same_bytes(tmp_path: Path, spark: SparkOptions, raw: Path) -> None:
    """Each thread writes a part, so only the rows are equal with another number of threads."""
    assert len(split_files([RawFile("clicks", "", str(raw / "yoochoose-clicks.dat"), 0)], 3)) == 3
    three = spark.model_copy(update={"threads": 3})
    first, second = build(raw, tmp_path / "1", three), build(raw, tmp_path / "2", three)
    assert first == second
    single = build(raw, tmp_path / "single", spark)
    for of_three, of_one in zip(first, single, strict=True):
        assert len(of_three.files) >= len(of_one.files)
        assert of_three.model_copy(update={"files": of_one.files}) == of_one
    (part,) = (tmp_path / "single" / "events").glob("*.parquet")
    written = pq.read_table(part)
    assert written.equals(written.sort_by([(name, "ascending") for name in ORDER]))
    events = EventsManifest.of(tmp_path / "single" / "events")
    assert events.lines.duplicates > 400
    assert events.rejected > 80
    for name, order in [
        ("events", ["position"]),
        ("rejected", ["file", "line"]),
        ("sessions", ["session_id"]),
    ]:
        assert rows(tmp_path / "1" / name, *order).equals(rows(tmp_path / "single" / name, *order))
