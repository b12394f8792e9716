"""Reading parts in groups: no group splits a key."""

import itertools

import numpy as np
import pyarrow as pa

from rabbithole.io.parts import complete_groups


def test_no_key_is_split_however_long() -> None:
    rng = np.random.default_rng(2)
    keys = np.repeat(np.arange(30), rng.integers(1, 40, 30))
    table = pa.table({"key": pa.array(keys.astype(str)), "row": np.arange(len(keys))})
    for size in (1, 7, 100):
        groups = list(complete_groups(table.to_batches(max_chunksize=size), "key", rows=10))
        assert pa.concat_tables(groups).equals(table)
        first_keys = [group["key"][0].as_py() for group in groups]
        assert len(first_keys) == len(set(first_keys)) > 5
        assert all(before["key"][-1] != after["key"][0] for before, after in itertools.pairwise(groups))
