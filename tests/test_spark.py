"""How Spark is set up, and what a user reads when it can't be."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from rabbithole.spark import (
    PART_BYTES,
    STARTED,
    SparkOptions,
    configuration,
    options_of,
    over_indexes,
    spark_session,
)


def test_a_user_s_conf_comes_last(tmp_path: Path) -> None:
    options = SparkOptions(conf={"spark.driver.memory": "3g"}, threads=5, memory_mb=2000)
    conf = configuration(options, tmp_path)
    assert (conf["spark.master"], conf["spark.driver.memory"]) == ("local[5]", "3g")
    assert configuration(SparkOptions(memory_mb=2000), tmp_path)["spark.driver.memory"] == "1200m"
    # Times would otherwise be read in the zone of whoever runs it.
    assert conf["spark.sql.session.timeZone"] == "UTC"


def test_a_cluster_started_for_the_step_comes_before_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"master": "local", "conf": {}, "threads": 2, "memory_mb": 1000}
    assert options_of(settings) == SparkOptions("local", {}, 2, 1000)
    monkeypatch.setenv(STARTED, '{"master": "spark://node:7077", "threads": 8}')
    assert options_of(settings) == SparkOptions("spark://node:7077", {}, 8, 1000)


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
        found = over_indexes(inner, 4, work, "index long, process long").toArrow()
    assert sorted(found["index"].to_pylist()) == [1, 2, 2, 3, 3, 3]
    assert os.getpid() not in found["process"].to_pylist()
