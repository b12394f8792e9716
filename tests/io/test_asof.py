"""A lookup returns the last value at a time, never a later one, in memory as mapped from a file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.io import sorting
from rabbithole.io.asof import AsOfFile, history_rows, read_history, write_history

Row = tuple[str, int, int, float | str | None]
"""Item, time, order and value."""


def rows_of(rows: Iterable[Row], kind: pa.DataType) -> pa.Table:
    """Return rows as a table."""
    items, times, order, values = zip(*rows, strict=True)
    timestamps = pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC"))
    value = pa.array(values).cast(kind)
    return pa.table({"item": items, "time": timestamps, "order": order, "value": value})


def last_values(
    rows: list[Row], items: list[str | None], times: Iterable[int], *, before: bool
) -> list[object]:
    """Search all rows for the last value of each item at a time."""
    values: list[object] = []
    for item, time in zip(items, times, strict=True):
        of_item = (row[1:] for row in rows if row[0] == item)
        earlier = [row for row in of_item if row[0] < time or (row[0] == time and not before)]
        values.append(max(earlier, key=lambda row: row[:2])[2] if earlier else None)
    return values


def looked_up(path: Path, items: list[str | None], times: list[int], *, before: bool) -> list[object]:
    """Look values up in a file, which gives the same in memory and mapped."""
    wanted, at = pa.chunked_array([pa.array(items, pa.string())]), np.array(times, np.int64)
    values = AsOfFile(path).lookup(wanted, at, before=before)
    assert values.equals(read_history(path).lookup(wanted, at, before=before))
    return list(values.to_pylist())


def test_a_lookup_returns_what_a_linear_search_returns(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    known: list[Row] = [(str(rng.integers(8)), int(rng.integers(20)), n, float(n)) for n in range(60)]
    rng.shuffle(known)
    path = tmp_path / "history.parquet"
    write_history(path, iter([rows_of(known, pa.float64())]), pa.field("value", pa.float64()), 10**6)
    items: list[str | None] = [str(item) for item in range(10) for _ in range(23)]
    times = list(range(-1, 22)) * 10
    for before in (False, True):
        assert looked_up(path, items, times, before=before) == last_values(known, items, times, before=before)


@pytest.mark.parametrize("kind", [pa.float64(), pa.string()])
def test_a_file_of_many_row_groups_gives_the_last_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: pa.DataType
) -> None:
    """The rows come in runs, several for one item and time; some items go on in the next row group."""
    monkeypatch.setattr(sorting, "RUN_BATCH_ROWS", 10)
    rng = np.random.default_rng(4)
    # A value that is not known hides the one before.
    values = [None if number % 50 == 0 else float(rng.normal()) for number in range(900)]
    if kind == pa.string():
        values = pa.array(values).cast(kind).to_pylist()
    items, times = rng.integers(0, 12, 900), rng.integers(0, 40, 900)
    known: list[Row] = [(f"item {items[n]}", int(times[n]), n, values[n]) for n in range(900)]
    rows, path = rows_of(known, kind), tmp_path / "history.parquet"
    runs = (rows.filter(pa.array(np.arange(900) % 3 == run)) for run in range(3))
    write_history(path, runs, pa.field("value", kind), 1000)
    assert pq.read_metadata(path).num_row_groups > 5
    last = {(item, time): (item, time, order, value) for item, time, order, value in known}
    expected = rows_of((last[key] for key in sorted(last)), kind).drop_columns("order")
    assert pq.read_table(path).cast(expected.schema).equals(expected)
    # An item that the file lacks, and a missing one.
    wanted: list[str | None] = [*(f"item {n}" for n in rng.integers(0, 14, 500)), None]
    at = rng.integers(-2, 42, 501).tolist()
    for before in (False, True):
        assert looked_up(path, wanted, at, before=before) == last_values(known, wanted, at, before=before)
    # Rows of a later log win over those of the file.
    newer = rows.slice(1, 1).set_column(3, "value", pa.array([7.5]).cast(kind))
    runs = iter([pa.concat_tables([*history_rows(path), newer.select(["item", "time", "value", "order"])])])
    write_history(path, runs, pa.field("value", kind), 1000)
    (value,) = looked_up(path, [known[1][0]], [known[1][1]], before=False)
    assert value == pa.scalar(7.5).cast(kind).as_py()


@pytest.mark.parametrize("kind", [pa.float64(), pa.string()])
def test_an_empty_file_returns_null(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "history.parquet"
    write_history(path, iter(()), pa.field("value", kind), 1000)
    for table in (AsOfFile(path), read_history(path)):
        assert table.lookup(pa.chunked_array([["1"]]), np.array([5]), before=False).equals(
            pa.array([None], kind)
        )
    empty = pa.table({"item": ["1"], "time": [0], "order": [0], "value": pa.array([None], kind)}).slice(1)
    empty = empty.set_column(1, "time", empty["time"].cast(pa.timestamp("us", "UTC")))
    write_history(path, iter([empty]), pa.field("value", kind), 1000)
    assert looked_up(path, ["1"], [5], before=False) == [None]
