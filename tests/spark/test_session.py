"""The Spark session: its configuration, tasks by index, and the shuffle."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

from rabbithole.errors import UserError
from rabbithole.spark.session import CLUSTER_VARIABLE, resolve_options, spark_configuration, spark_session
from rabbithole.spark.shuffle import Sent, ShufflePlan, _split, map_indexed, shuffle
from rabbithole.specs.data import PARTITION_BYTES, SparkOptions


def test_the_user_s_conf_overrides_the_default(tmp_path: Path) -> None:
    options = SparkOptions(conf={"spark.driver.memory": "3g"}, threads=5, memory_mb=2000)
    conf = spark_configuration(options, tmp_path)
    assert (conf["spark.master"], conf["spark.driver.memory"]) == ("local[5]", "3g")
    assert spark_configuration(SparkOptions(memory_mb=2000), tmp_path)["spark.driver.memory"] == "1200m"
    # Otherwise Spark reads times in the time zone of the machine.
    assert conf["spark.sql.session.timeZone"] == "UTC"


def test_a_cluster_started_for_the_step_overrides_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SparkOptions(threads=2, memory_mb=1000)
    assert resolve_options(settings) == settings
    monkeypatch.setenv(CLUSTER_VARIABLE, '{"master": "spark://node:7077", "threads": 8}')
    expected = SparkOptions(master="spark://node:7077", threads=8, memory_mb=1000)
    assert resolve_options(settings) == expected


def test_a_large_log_gets_partitions_that_fit_a_worker() -> None:
    options = SparkOptions(threads=4, memory_mb=10_000)
    assert [options.partitions(PARTITION_BYTES * size // 9) for size in (0, 9, 81, 82)] == [4, 4, 9, 10]
    little = SparkOptions(threads=4, memory_mb=4_000)
    assert little.run_bytes < options.run_bytes < 10_000e6 / 4
    assert little.partitions(20 * PARTITION_BYTES) > options.partitions(20 * PARTITION_BYTES)


@pytest.mark.spark
def test_a_nested_session_is_the_outer_session_and_each_index_runs_as_one_task(spark: SparkOptions) -> None:
    def work(index: int) -> list[pa.RecordBatch]:
        return [pa.record_batch({"index": pa.array([index]), "process": pa.array([os.getpid()])})] * index

    with spark_session(spark, "outer") as outer, spark_session(SparkOptions(threads=9), "inner") as inner:
        assert inner is outer
        schema = pa.schema([("index", pa.int64()), ("process", pa.int64())])
        table = map_indexed(inner, 4, work, schema)
    assert list(table["index"].to_pylist()) == [1, 2, 2, 3, 3, 3]
    assert os.getpid() not in table["process"].to_pylist()


@pytest.mark.spark
def test_a_shuffle_gives_each_partition_its_rows_in_the_order_of_the_log(spark: SparkOptions) -> None:
    schema = pa.schema([("partition", pa.int32()), ("position", pa.int64())])

    def read(index: int) -> Iterator[Sent]:
        for block in range(3):
            position = np.arange(10) + 10 * block + 100 * index
            partition = (position * 7 % 5).astype(np.int32)
            yield pa.table({"position": position, "partition": partition}), partition

    def gather(partition: int, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        (rows,) = tables
        assert set(rows["partition"].to_pylist()) == {partition}
        yield from rows.to_batches()

    with spark_session(spark, "shuffle") as session:
        # Some partitions receive no rows.
        table = shuffle(session, 3, read, ShufflePlan(schema, 8), gather, schema)
    assert table["partition"].to_pylist() == sorted(table["partition"].to_pylist())
    for partition in range(5):
        expected = [n for n in range(300) if n % 100 < 30 and n * 7 % 5 == partition]
        rows = table.filter(pa.compute.equal(table["partition"], partition))
        assert rows["position"].to_pylist() == expected


def test_a_piece_of_coded_rows_holds_only_its_own_words_in_the_order_in_which_they_occur() -> None:
    words = ["c", None, "a", "b", "a", None, "c", "d"]
    coded = pa.array(["unused", *words]).dictionary_encode()[1:]
    partition = np.array([1, 0, 1, 0, 0, 1, 0, 1], np.int32)
    batch = _split(pa.table({"word": coded}), partition, position=7)
    pieces = [pa.ipc.open_stream(rows.as_buffer()).read_all()["word"] for rows in batch["rows"]]
    assert batch["partition"].to_pylist() == [0, 1]
    assert [piece.to_pylist() for piece in pieces] == [[None, "b", "a", "c"], ["c", "a", None, "d"]]
    assert [piece.chunk(0).dictionary.to_pylist() for piece in pieces] == [["b", "a", "c"], ["c", "a", "d"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Python worker exited unexpectedly (crashed)",
            "a Python worker of Spark was killed. Out of memory?",
        ),
        (
            "EOFException occurred while reading the port number from x's stdout.",
            "a Python worker of Spark was killed as it started.",
        ),
        ("java.lang.OutOfMemoryError: Java heap space", "the memory of Spark's JVM is full. Give Spark more"),
    ],
)
def test_what_spark_says_of_lost_processes_becomes_a_sentence(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rabbithole.spark.session._current", None)
    monkeypatch.setattr("rabbithole.spark.session._start", Mock(side_effect=RuntimeError(text)))
    with (
        pytest.raises(UserError, match=re.escape(f"events: {message}")),
        spark_session(SparkOptions(threads=1, memory_mb=1000), "events"),
    ):
        pass


@pytest.mark.spark
@pytest.mark.slow
def test_a_killed_worker_is_reported_in_one_line() -> None:
    program = (
        "import os\n"
        "from rabbithole.spark.session import spark_session\n"
        "from rabbithole.spark.shuffle import REPORT_SCHEMA, map_indexed\n"
        "from rabbithole.specs.data import SparkOptions\n"
        "from rabbithole.errors import UserError\n"
        "try:\n"
        "    with spark_session(SparkOptions(threads=1, memory_mb=1000), 'events') as session:\n"
        "        map_indexed(session, 2, lambda index: os.kill(os.getpid(), 9), REPORT_SCHEMA)\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("events: a Python worker of Spark was killed. Out of memory? "), done.stderr
    assert len((done.stdout + done.stderr).splitlines()) == 1
