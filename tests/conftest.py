"""What all tests share."""

import pytest
from hypothesis import settings

pytest_plugins = ["spark_fixtures"]

# Every run tests the same examples, and a busy machine fails none of them.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

FIRST = ("test_kills.py", "test_slurm.py", "runs")
"""Files and folders that take minutes, longest first: several processes then end together."""

FOLDERS = {"runs": "workflow", "slurm": "slurm"}
"""Folders whose tests all have a marker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with whole runs of the workflow: the first makes what others wait for. Mark tests by folder."""

    def place(item: pytest.Item) -> int:
        names = (item.path.name, item.path.parent.name)
        return next((number for number, name in enumerate(FIRST) if name in names), len(FIRST))

    items.sort(key=place)
    for item in items:
        if marker := FOLDERS.get(item.path.parent.name):
            item.add_marker(marker)
