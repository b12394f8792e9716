"""A Spark cluster builds the same events, sessions and windows as local mode."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_builds import MANIFESTS, build
from spark_cluster import connect_server, standalone_cluster

from rabbithole.simulator.write import simulate
from rabbithole.specs.data import SimulateSpec, SparkOptions

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate a log that is large enough for several tasks."""
    folder = tmp_path_factory.mktemp("raw") / "log"
    simulate(SimulateSpec(shop="yoochoose", sessions=20_000, seed=1), output=folder)
    return folder


def sorted_rows(folder: Path, key: str) -> pa.Table:
    """Return the rows of a folder, sorted by a column."""
    return pq.read_table(folder).sort_by(key).combine_chunks()


@pytest.fixture(scope="module")
def local(raw: Path, tmp_path_factory: pytest.TempPathFactory, spark: SparkOptions) -> Path:
    """Build events, sessions and windows in local mode; return their folder."""
    folder = tmp_path_factory.mktemp("local")
    build(raw, folder, spark)
    return folder


def assert_same_as_local(address: str, conf: dict[str, str], raw: Path, local: Path, folder: Path) -> None:
    """Build with a master and compare with local mode.

    The build runs in another process, because the process of the tests has a Spark session already.
    """
    options = SparkOptions(master=address, conf=conf, threads=2, memory_mb=1000)
    process = multiprocessing.get_context("spawn").Process(target=build, args=(raw, folder, options))
    process.start()
    process.join()
    assert process.exitcode == 0
    for name, key in (
        ("events", "position"),
        ("sessions", "session_id"),
        *[(f"windows/{split}", "session_id") for split in ("train", "valid", "test")],
    ):
        assert sorted_rows(folder / name, key).equals(sorted_rows(local / name, key)), name
    for step, manifest in MANIFESTS.items():
        expected, actual = manifest.of(local / step).model_dump(), manifest.of(folder / step).model_dump()
        assert len(actual.pop("files")) > len(expected.pop("files"))
        assert expected == actual
    assert (local / "windows/encoder.json").read_bytes() == (folder / "windows/encoder.json").read_bytes()


def test_a_standalone_cluster_builds_the_same_as_local_mode(raw: Path, local: Path, tmp_path: Path) -> None:
    # Workers must connect to the driver by this address, not by the name of the machine.
    conf = {"spark.driver.host": "127.0.0.1", "spark.executor.memory": "800m"}
    with standalone_cluster(tmp_path) as cluster:
        assert_same_as_local(cluster.address, conf, raw, local, tmp_path / "cluster")
    assert all(list((tmp_path / f"work-{number}").iterdir()) for number in range(2))


def test_a_connect_server_builds_the_same_as_local_mode(raw: Path, local: Path, tmp_path: Path) -> None:
    with connect_server(tmp_path) as address:
        assert_same_as_local(address, {}, raw, local, tmp_path / "connect")
