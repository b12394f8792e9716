"""A Spark cluster gives the same events, sessions and windows as local mode."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_cluster import connect_server, standalone_cluster

from rabbithole.artifacts.base import Manifest
from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.ingest.build import build_events
from rabbithole.sessions.build import build_sessions
from rabbithole.simulator.write import simulate
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import EventsSpec, SessionsSpec, SimulateSpec, SparkOptions, SplitSpec, WindowsSpec
from rabbithole.windows.build import build_windows
from rabbithole.windows.fields import FIELDS

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MANIFESTS: dict[str, type[Manifest]] = {
    "events": EventsManifest,
    "sessions": SessionsManifest,
    "windows": WindowsManifest,
}

SESSIONS = SessionsSpec(
    by="session",
    gap_minutes=None,
    cost="purchases",
    open_horizon_hours=1.0,
    until="purchase",
    minimum_events=1,
    sample=1.0,
    split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
    seed=0,
)

WINDOWS = WindowsSpec(
    length=100, minimum_item_count=5, fields=FIELDS, timezone="Europe/Berlin", keep_open=False
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log that is large enough for several tasks."""
    folder = tmp_path_factory.mktemp("raw") / "log"
    simulate(SimulateSpec(shop="yoochoose", sessions=20_000, seed=1), output=folder)
    return folder


def build(raw: Path, folder: Path, spark: SparkOptions) -> None:
    """Build events, sessions and windows in one Spark application."""
    events, sessions = folder / "events", folder / "sessions"
    spec = EventsSpec(format="yoochoose", source=str(raw), max_rejected=0.001, drop_duplicates=True)
    with spark_session(spark, "test"):
        build_events(spec, output=events, rejected=folder / "rejected", spark=spark)
        build_sessions(SESSIONS, events=events, output=sessions, spark=spark)
        build_windows(WINDOWS, sessions=sessions, output=folder / "windows", spark=spark)


def rows(folder: Path, order: str) -> pa.Table:
    """Return the rows of a folder in an order that does not depend on the parts."""
    return pq.read_table(folder).sort_by(order).combine_chunks()


@pytest.fixture(scope="module")
def local(raw: Path, tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return the folder that local mode builds from the log."""
    folder = tmp_path_factory.mktemp("local")
    build(raw, folder, spark)
    return folder


def assert_same_from(address: str, conf: dict[str, str], raw: Path, local: Path, folder: Path) -> None:
    """Build with a master, in another process because the tests' own has a session, and compare."""
    options = SparkOptions(master=address, conf=conf, threads=2, memory_mb=1000)
    process = multiprocessing.get_context("spawn").Process(target=build, args=(raw, folder, options))
    process.start()
    process.join()
    assert process.exitcode == 0
    for name, order in (
        ("events", "position"),
        ("sessions", "session_id"),
        *[(f"windows/{split}", "session_id") for split in ("train", "valid", "test")],
    ):
        assert rows(folder / name, order).equals(rows(local / name, order)), name
    for step, manifest in MANIFESTS.items():
        one, two = manifest.of(local / step).model_dump(), manifest.of(folder / step).model_dump()
        assert len(two.pop("files")) > len(one.pop("files"))
        assert one == two
    assert (local / "windows/encoder.json").read_bytes() == (folder / "windows/encoder.json").read_bytes()


def test_a_standalone_cluster_gives_what_local_mode_gives(raw: Path, local: Path, tmp_path: Path) -> None:
    # Workers must reach the driver by this address rather than by the name of the machine.
    conf = {"spark.driver.host": "127.0.0.1", "spark.executor.memory": "800m"}
    with standalone_cluster(tmp_path) as address:
        assert_same_from(address, conf, raw, local, tmp_path / "cluster")
    assert all(list((tmp_path / f"work-{number}").iterdir()) for number in range(2))


def test_a_connect_server_gives_what_local_mode_gives(raw: Path, local: Path, tmp_path: Path) -> None:
    with connect_server(tmp_path) as address:
        assert_same_from(address, {}, raw, local, tmp_path / "connect")
