"""How Spark is set up, and what a user reads when it can't be."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from numpy.typing import NDArray

from rabbithole.spark.session import (
    CLUSTER_VARIABLE,
    PART_BYTES,
    SparkOptions,
    resolve_options,
    spark_configuration,
    spark_session,
)
from rabbithole.spark.shuffle import map_indexed, shuffle


def test_a_user_s_conf_comes_last(tmp_path: Path) -> None:
    options = SparkOptions(conf={"spark.driver.memory": "3g"}, threads=5, memory_mb=2000)
    conf = spark_configuration(options, tmp_path)
    assert (conf["spark.master"], conf["spark.driver.memory"]) == ("local[5]", "3g")
    assert spark_configuration(SparkOptions(memory_mb=2000), tmp_path)["spark.driver.memory"] == "1200m"
    # Times would otherwise be read in the zone of whoever runs it.
    assert conf["spark.sql.session.timeZone"] == "UTC"


def test_a_cluster_started_for_the_step_comes_before_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"master": "local", "conf": {}, "threads": 2, "memory_mb": 1000}
    assert resolve_options(settings) == SparkOptions("local", {}, 2, 1000)
    monkeypatch.setenv(CLUSTER_VARIABLE, '{"master": "spark://node:7077", "threads": 8}')
    assert resolve_options(settings) == SparkOptions("spark://node:7077", {}, 8, 1000)


def test_a_large_log_is_cut_into_parts_that_fit_a_worker() -> None:
    options = SparkOptions(threads=4)
    assert [options.partitions(size) for size in (0, PART_BYTES, 9 * PART_BYTES, 9 * PART_BYTES + 1)] == [
        4,
        4,
        9,
        10,
    ]


def test_an_inner_session_is_the_outer_one_and_each_index_is_worked_on_once(spark: SparkOptions) -> None:
    def work(index: int) -> list[pa.RecordBatch]:
        return [pa.record_batch({"index": pa.array([index]), "process": pa.array([os.getpid()])})] * index

    with spark_session(spark, "outer") as outer, spark_session(SparkOptions(threads=9), "inner") as inner:
        assert inner is outer
        schema = pa.schema([("index", pa.int64()), ("process", pa.int64())])
        found = map_indexed(inner, 4, work, schema)
    assert list(found["index"].to_pylist()) == [1, 2, 2, 3, 3, 3]
    assert os.getpid() not in found["process"].to_pylist()


def test_an_exchange_gives_each_part_its_rows_in_the_log_s_order(spark: SparkOptions) -> None:
    schema = pa.schema([("part", pa.int32()), ("place", pa.int64())])

    def read(index: int) -> Iterator[tuple[pa.Table, NDArray[np.int32]]]:
        for block in range(3):
            place = np.arange(10) + 10 * block + 100 * index
            part = (place * 7 % 5).astype(np.int32)
            yield pa.table({"place": place, "part": part}), part

    def gather(part: int, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        assert set(rows["part"].to_pylist()) == {part}
        yield from rows.to_batches()

    with spark_session(spark, "exchange") as session:
        # More parts than are sent any rows.
        found = shuffle(session, 3, read, 8, gather, sent=schema, found=schema)
    assert found["part"].to_pylist() == sorted(found["part"].to_pylist())
    for part in range(5):
        expected = [place for place in range(300) if place % 100 < 30 and place * 7 % 5 == part]
        assert found.filter(pa.compute.equal(found["part"], part))["place"].to_pylist() == expected
