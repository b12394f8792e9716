"""One Spark session for all tests of a process."""

from collections.abc import Iterator

import pytest

from rabbithole.specs.data import SparkOptions


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkOptions]:
    """Start a Spark session and yield its options. Steps with these options share the session."""
    from rabbithole.spark.session import spark_session

    options = SparkOptions(threads=1, memory_mb=1000)
    with spark_session(options, "tests"):
        yield options
