"""The same log on a real Spark cluster gives the same events, sessions and windows as in local mode."""

import multiprocessing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_cluster import connect_server, standalone_cluster

from rabbithole.ingest.build import build_events
from rabbithole.ingest.locate import locate
from rabbithole.io.manifests import read_manifest
from rabbithole.sessions.build import build_sessions
from rabbithole.simulator.write import simulate
from rabbithole.spark.session import SparkOptions, spark_session
from rabbithole.windows.build import build_windows

SETTINGS: dict[str, dict[str, Any]] = {
    "events": {"format": "yoochoose", "max_rejected": 0.001, "drop_duplicates": True},
    "sessions": {
        "by": "session",
        "gap_minutes": None,
        "cost": "purchases",
        "open_horizon_hours": 1,
        "split": {"by": "time", "shares": [0.8, 0.1, 0.1]},
        "seed": 0,
    },
    "windows": {"length": 100, "minimum_item_count": 5, "timezone": "Europe/Berlin", "keep_open": False},
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log that several tasks read."""
    folder = tmp_path_factory.mktemp("raw") / "log"
    simulate(format="yoochoose", sessions=20_000, seed=1, output=folder)
    return folder


def build(raw: Path, folder: Path, spark: SparkOptions) -> None:
    """Build events, sessions and windows in one Spark application."""
    events, sessions = folder / "events", folder / "sessions"
    files = locate("yoochoose", raw)
    with spark_session(spark, "test"):
        build_events(
            **SETTINGS["events"], files=files, output=events, rejected=folder / "rejected", spark=spark
        )
        build_sessions(**SETTINGS["sessions"], events=events, output=sessions, spark=spark)
        build_windows(**SETTINGS["windows"], sessions=sessions, output=folder / "windows", spark=spark)


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
    options = SparkOptions(address, conf, threads=2, memory_mb=1000)
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
    for step in SETTINGS:
        one, two = read_manifest(local / step), read_manifest(folder / step)
        assert len(two.pop("files")) > len(one.pop("files"))
        assert one == two
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
