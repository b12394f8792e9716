"""What all tests share."""

import pytest

pytest_plugins = ["spark_fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole runs of the workflow: two processes then end together."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")
