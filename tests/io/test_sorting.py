"""Rows that are sorted in runs and merged from disk are those of one sort in memory."""

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rabbithole.io import sorting
from rabbithole.io.sorting import EVENT_KEY, sort_rows, sorted_tables

KEYS = ("", "a", "ab", "b", "é", "z")


def rows_of(keys: list[tuple[str, int]]) -> pa.Table:
    """Return rows with these keys and times, in the order of the log."""
    names, times = zip(*keys, strict=True)
    timestamps = pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC"))
    return pa.table({"session_id": names, "timestamp": timestamps, "position": np.arange(len(keys))})


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(-3, 3)), min_size=1, max_size=200),
    st.integers(1, 6),
    st.sampled_from([1, 50, 500, 10**9]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_merge_to_the_rows_sorted_in_memory(
    monkeypatch: pytest.MonkeyPatch, keys: list[tuple[str, int]], count: int, limit: int, random: Random
) -> None:
    monkeypatch.setattr(sorting, "RUN_BATCH_ROWS", 1)
    rows = rows_of(keys)
    # A run is in the order of the log, but it holds whatever arrived first.
    drawn = np.array([random.randrange(count) for _ in keys])
    runs = [rows.filter(pa.array(drawn == run)) for run in range(count) if (drawn == run).any()]
    tables = list(sorted_tables(iter(runs), sort_rows, EVENT_KEY, limit))
    assert pa.concat_tables(tables).equals(sort_rows(rows))
    ends = [(table["session_id"][-1], table["timestamp"][-1]) for table in tables[:-1]]
    begins = [(table["session_id"][0], table["timestamp"][0]) for table in tables[1:]]
    assert all(end != begin for end, begin in zip(ends, begins, strict=True))


def test_many_rows_of_one_time_need_more_room_than_asked_for() -> None:
    rows = rows_of([("a", 0)] * 60_000 + [("a", 1)] * 60_000)
    drawn = np.arange(len(rows)) % 3
    runs = (rows.filter(pa.array(drawn == run)) for run in range(3))
    tables = list(sorted_tables(runs, sort_rows, EVENT_KEY, 100_000))
    assert pa.concat_tables(tables).equals(rows)
    assert [len(table) for table in tables] == [60_000, 60_000]
