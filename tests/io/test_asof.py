"""A lookup returns the last value at a time, never a later one."""

import numpy as np
import pyarrow as pa

from rabbithole.io.asof import AsOfTable


def test_a_lookup_returns_what_a_linear_search_returns() -> None:
    rng = np.random.default_rng(3)
    known = [(str(rng.integers(8)), int(rng.integers(20)), n, float(n)) for n in range(60)]
    rng.shuffle(known)
    items, times, order, numbers = zip(*known, strict=True)
    timestamps = pa.array(times, pa.int64()).cast(pa.timestamp("us"))
    table = AsOfTable.build(pa.table({"item": items, "time": timestamps, "order": order, "value": numbers}))
    queries = [(str(item), time) for item in range(10) for time in range(-1, 22)]
    for before in (False, True):
        values = table.lookup(
            pa.chunked_array([[item for item, _ in queries]]),
            np.array([time for _, time in queries]),
            before=before,
        ).to_pylist()
        for (item, time), value in zip(queries, values, strict=True):
            earlier = [
                entry[1:]
                for entry in known
                if entry[0] == item and (entry[1] < time or (entry[1] == time and not before))
            ]
            assert value == (max(earlier)[2] if earlier else None)


def test_an_empty_table_returns_null() -> None:
    kinds = {"item": pa.string(), "time": pa.timestamp("us"), "order": pa.int64(), "value": pa.float64()}
    table = AsOfTable.build(pa.schema(kinds).empty_table())
    assert table.lookup(pa.chunked_array([["1"]]), np.array([5]), before=False).to_pylist() == [None]
