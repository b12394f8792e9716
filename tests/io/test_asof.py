"""A lookup returns the last value at a time, never a later one, in memory as in a file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.io import sorting
from rabbithole.io.asof import AsOfFile, AsOfTable, history_rows, write_history


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


@pytest.mark.parametrize("kind", [pa.float64(), pa.string()])
def test_a_file_of_many_row_groups_gives_the_values_of_a_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: pa.DataType
) -> None:
    """The rows come in runs, several for one item and time; some items go on in the next row group."""
    monkeypatch.setattr(sorting, "RUN_BATCH_ROWS", 10)
    rng = np.random.default_rng(4)
    times = pa.array(rng.integers(0, 40, 900)).cast(pa.timestamp("us", "UTC"))
    items = [f"item {n}" for n in rng.integers(0, 12, 900)]
    values = pa.array(rng.normal(size=900)).cast(kind)
    rows = pa.table({"item": items, "time": times, "order": np.arange(900), "value": values})
    table, path = AsOfTable.build(rows), tmp_path / "history.parquet"
    runs = (rows.filter(pa.array(np.arange(900) % 3 == run)) for run in range(3))
    write_history(path, runs, pa.field("value", kind), 1000)
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups > 5
    assert metadata.num_rows == len(table.keys)
    assert pq.read_table(path).equals(table.table())
    # An item that the file lacks, and a missing one.
    wanted = pa.chunked_array([[*(f"item {n}" for n in rng.integers(0, 14, 500)), None]])
    at = rng.integers(-2, 42, 501)
    for before in (False, True):
        expected = table.lookup(wanted, at, before=before)
        assert AsOfFile(path, held_bytes=10**9).lookup(wanted, at, before=before).equals(expected)
        assert AsOfFile(path, held_bytes=0).lookup(wanted, at, before=before).equals(expected)
    # Rows of a later log win over those of the file.
    newer = rows.slice(0, 1).set_column(3, "value", pa.array([7.5]).cast(kind))
    runs = iter([pa.concat_tables([*history_rows(path), newer.select(["item", "time", "value", "order"])])])
    write_history(path, runs, pa.field("value", kind), 1000)
    when = newer["time"].cast(pa.int64()).to_numpy()
    assert AsOfFile(path, 0).lookup(newer["item"], when, before=False).cast(pa.float64()).to_pylist() == [7.5]


def test_an_empty_file_returns_null(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    write_history(path, iter(()), pa.field("value", pa.string()), 1000)
    for held in (0, 1000):
        values = AsOfFile(path, held).lookup(pa.chunked_array([["1"]]), np.array([5]), before=False)
        assert values.equals(pa.array([None], pa.string()))
