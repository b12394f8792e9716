"""What was known of an item at a time: never a later value."""

import numpy as np
import pyarrow as pa

from rabbithole.io.asof import AsOfTable


def test_lookups_find_what_a_search_by_hand_finds() -> None:
    rng = np.random.default_rng(3)
    known = [(str(rng.integers(8)), int(rng.integers(20)), n, float(n)) for n in range(60)]
    rng.shuffle(known)
    items, times, order, values = zip(*known, strict=True)
    moments = pa.array(times, pa.int64()).cast(pa.timestamp("us"))
    table = AsOfTable.build(pa.table({"item": items, "time": moments, "order": order, "value": values}))
    asked = [(str(item), time) for item in range(10) for time in range(-1, 22)]
    for before in (False, True):
        found = table.lookup(
            pa.chunked_array([[item for item, _ in asked]]),
            np.array([time for _, time in asked]),
            before=before,
        ).to_pylist()
        for (item, time), value in zip(asked, found, strict=True):
            sofar = [
                (moment, rank, one)
                for name, moment, rank, one in known
                if name == item and (moment < time or (moment == time and not before))
            ]
            assert value == (max(sofar)[2] if sofar else None)


def test_an_empty_table_knows_nothing() -> None:
    kinds = {"item": pa.string(), "time": pa.timestamp("us"), "order": pa.int64(), "value": pa.float64()}
    table = AsOfTable.build(pa.schema(kinds).empty_table())
    assert table.lookup(pa.chunked_array([["1"]]), np.array([5]), before=False).to_pylist() == [None]
