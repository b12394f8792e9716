"""What all tests share."""

import pytest
from hypothesis import settings

pytest_plugins = ["spark_fixtures"]

# Every run tests the same examples, and a busy machine fails none of them.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

FIRST = ("test_kills.py", "test_slurm.py", "workflow")
"""Files and folders that take minutes, longest first: several processes then end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole runs of the workflow, of which the first makes what others wait for."""

    def place(item: pytest.Item) -> int:
        names = (item.path.name, item.path.parent.name)
        return next((number for number, name in enumerate(FIRST) if name in names), len(FIRST))

    items.sort(key=place)
