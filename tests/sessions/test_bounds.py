"""The bounds of a split by time, found by counting, are the starts at their ranks to the microsecond."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rabbithole.sessions import bounds
from rabbithole.sessions.bounds import HOUR, SECOND, Buckets, Histogram, exact_bounds

FEW = 3
"""Starts of a bucket that are counted by microsecond at once, in these tests."""

starts_of_a_log = st.lists(
    st.builds(
        lambda hour, second, rest: hour * HOUR + second * SECOND + rest,
        # Before 1970 too; few values, so that starts share hours, seconds and microseconds.
        st.integers(-2, 2),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=60,
)


def histogram_of_parts(parts: list[NDArray[np.int64]], width: int) -> Histogram:
    """Return the counts of all parts, as a step adds them up."""
    counts = [Histogram.of_starts(part, width).rows() for part in parts]
    return Histogram.total(pa.Table.from_batches([rows]) for rows in counts)


@given(starts_of_a_log, st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bounds_by_counting_are_the_starts_at_their_ranks(
    monkeypatch: pytest.MonkeyPatch, starts: list[int], first: tuple[float, float]
) -> None:
    monkeypatch.setattr(bounds, "MAX_STARTS", FEW)
    values, shares = np.array(starts, np.int64), (*first, 1 - sum(first))
    parts = np.array_split(values, 3)
    travelled = []

    def count(buckets: Buckets, width: int) -> Histogram:
        inside = [buckets.inside(part) for part in parts]
        if buckets.width == HOUR and width == 1:
            travelled.append(histogram_of_parts(inside, HOUR).sessions.max())
        return histogram_of_parts(inside, width)

    exact = exact_bounds(histogram_of_parts(parts, HOUR), count, shares)
    ranks = np.minimum(np.round(np.cumsum(shares)[:2] * len(values)).astype(int), len(values) - 1)
    assert exact.tolist() == np.partition(values, ranks)[ranks].tolist()
    assert all(most <= FEW for most in travelled)
