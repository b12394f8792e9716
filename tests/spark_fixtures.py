"""One Spark session for all tests of a process."""

from collections.abc import Iterator

import pytest

from rabbithole.spark.session import spark_session
from rabbithole.specs.spark import SparkOptions


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkOptions]:
    """Return options whose session runs already: a step that asks for one shares it."""
    options = SparkOptions(threads=1, memory_mb=1000)
    with spark_session(options, "tests"):
        yield options
