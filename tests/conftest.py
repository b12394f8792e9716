"""Configuration of all tests: threads, Hypothesis profile, order and markers."""

import os

import pytest
from hypothesis import settings

# Test processes share two cores. With more threads than cores, each tree of a model waits for a thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["run_fixtures", "spark_fixtures"]

# Every run tests the same examples. A slow machine misses no deadline.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

FIRST = (
    "test_commands.py",
    "test_kills.py",
    "test_slurm.py",
    "test_folds.py",
    "runs",
    "test_cluster_faults.py",
    "test_resume.py",
    "test_training.py",
)
"""Files and folders that take minutes. Then parallel test processes end at a similar time.

The first two wait for one run, which all but the next two read.
"""

MARKERS = {"runs": "workflow", "slurm": "slurm"}
"""The marker of all tests in a folder."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of FIRST before all others, and mark tests by folder."""

    def rank(item: pytest.Item) -> int:
        names = (item.path.name, item.path.parent.name)
        return next((number for number, name in enumerate(FIRST) if name in names), len(FIRST))

    items.sort(key=rank)
    for item in items:
        if marker := MARKERS.get(item.path.parent.name):
            item.add_marker(marker)
