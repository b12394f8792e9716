"""The same log on a real Spark cluster gives the same events, sessions and windows as in local mode."""

import multiprocessing
from pathlib import Path

import factories
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_cluster import connect_server, standalone_cluster

from rabbithole.artifacts.data import EventsManifest, SessionsManifest, WindowsManifest
from rabbithole.simulator.write import simulate
from rabbithole.spark.session import spark_session
from rabbithole.specs.data import SplitSpec
from rabbithole.specs.spark import SparkOptions

STEPS = ("events", "sessions", "windows")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log that several tasks read."""
    folder = tmp_path_factory.mktemp("raw") / "log"
    simulate(format="yoochoose", sessions=20_000, seed=1, output=folder)
    return folder


def build(raw: Path, folder: Path, spark: SparkOptions) -> None:
    """Build events, sessions and windows in one Spark application."""
    with spark_session(spark, "test"):
        factories.build(
            folder,
            spark,
            events=factories.events_spec("yoochoose", raw),
            sessions=factories.sessions_spec(
                by="session",
                cost="purchases",
                open_horizon_hours=1.0,
                split=SplitSpec(by="time", shares=(0.8, 0.1, 0.1)),
            ),
            windows=factories.windows_spec(minimum_item_count=5, timezone="Europe/Berlin"),
        )


def rows(folder: Path, order: str) -> pa.Table:
    """Return a folder's rows in an order that hangs on no part."""
    return pq.read_table(folder).sort_by(order).combine_chunks()


@pytest.fixture(scope="module")
def local(raw: Path, tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Return what local mode makes of the log."""
    folder = tmp_path_factory.mktemp("local")
    build(raw, folder, spark)
    return folder


def assert_same_from(address: str, conf: dict[str, str], raw: Path, local: Path, folder: Path) -> None:
    """Build with a master in a process of its own, as the one of the tests has a session already."""
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
    for step, manifest in zip(STEPS, (EventsManifest, SessionsManifest, WindowsManifest), strict=True):
        first, second = manifest.of(local / step), manifest.of(folder / step)
        assert len(second.files) > len(first.files)
        assert first == second.model_copy(update={"files": first.files})
    assert (local / "windows/encoder.json").read_bytes() == (folder / "windows/encoder.json").read_bytes()


def test_a_standalone_cluster_gives_what_local_mode_gives(raw: Path, local: Path, tmp_path: Path) -> None:
    # Conf is passed through: without this, the driver would be sought under this machine's name.
    conf = {"spark.driver.host": "127.0.0.1", "spark.executor.memory": "800m"}
    with standalone_cluster(tmp_path) as address:
        assert_same_from(address, conf, raw, local, tmp_path / "cluster")
    assert all(list((tmp_path / f"work-{number}").iterdir()) for number in range(2))


def test_a_connect_server_gives_what_local_mode_gives(raw: Path, local: Path, tmp_path: Path) -> None:
    with connect_server(tmp_path) as address:
        assert_same_from(address, {}, raw, local, tmp_path / "connect")
