"""Ragged arrays: reading, selecting and joining windows."""

from dataclasses import replace
from pathlib import Path

import factories
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import WINDOW_SCHEMA, Row, window

from rabbithole.artifacts.data import WindowsManifest
from rabbithole.errors import UserError
from rabbithole.windows.arrays import Windows, concatenate_windows, read_windows, take, windows_of
from rabbithole.windows.fields import CATEGORICAL, STANDARD


def rows_of(windows: Windows) -> list[Row]:
    """Return id, label, events and items of each session."""
    items = windows.codes[:, CATEGORICAL.index("item")]
    return [
        {
            "session_id": windows.session_id[i].as_py(),
            "buyer": windows.buyer[i],
            "events": windows.events[i],
            "item": items[windows.offsets[i] : windows.offsets[i + 1]].tolist(),
        }
        for i in range(len(windows))
    ]


def read(folder: Path, rows: list[Row]) -> Windows:
    factories.write_windows(folder / "windows", train=rows)
    return read_windows(WindowsManifest.parts(folder / "windows", "train"))


def test_windows_of_several_files_are_read_in_the_order_of_their_ids(tmp_path: Path) -> None:
    rows = factories.random_windows(41, np.random.default_rng(3), prefix="s")
    windows = read(tmp_path, rows[::-1])
    assert rows_of(windows) == [{name: row[name] for name in rows_of(windows)[0]} for row in rows]
    assert np.isnan(windows.numbers[windows.offsets[:-1], 0]).all()


def test_no_file_gives_empty_windows(tmp_path: Path) -> None:
    assert len(read_windows([])) == 0
    assert len(read(tmp_path, [])) == 0


def test_taken_and_joined_sessions_keep_their_steps(tmp_path: Path) -> None:
    windows = read(tmp_path, factories.random_windows(13, np.random.default_rng(4), prefix="s"))
    order = np.random.default_rng(5).permutation(13)
    parts = [take(windows, order[:5]), take(windows, order[5:5]), take(windows, order[5:])]
    joined = concatenate_windows(parts)
    assert rows_of(joined) == [rows_of(windows)[i] for i in order]
    back = take(joined, np.argsort(order))
    np.testing.assert_array_equal(back.codes, windows.codes)
    np.testing.assert_array_equal(back.numbers, windows.numbers)
    np.testing.assert_array_equal(back.offsets, windows.offsets)


def test_lists_that_differ_in_length_are_an_error(tmp_path: Path) -> None:
    rows = [window("1", 0, [4, 5, 6]), window("2", 0, [4]) | {"hour": [4, 4]}]
    path = tmp_path / "part-0.parquet"
    pq.write_table(pa.Table.from_pylist(rows, WINDOW_SCHEMA), path)
    with pytest.raises(UserError, match="'hour' and 'event' of a session differ in length"):
        read_windows([path])


def test_the_history_of_windows_follows_them_and_is_none_without_the_column(tmp_path: Path) -> None:
    rows = [window("2", 0, [4, 5, 6]), window("1", 1, [4, 7])]
    path = tmp_path / "part-0.parquet"
    table = pa.Table.from_pylist(rows, WINDOW_SCHEMA)
    pq.write_table(table, path)
    assert read_windows([path]).history.tolist() == [0, 0]
    with_history = table.append_column("history", pa.array([2, 1], pa.int32()))
    pq.write_table(with_history, path)
    windows = read_windows([path])
    assert (windows.history.tolist(), windows.present.tolist()) == ([1, 2], [1, 1])
    assert take(windows, np.array([1])).history.tolist() == [2]
    assert concatenate_windows([windows, windows]).history.tolist() == [1, 2, 1, 2]
    assert windows_of(with_history, STANDARD).history.tolist() == [2, 1]


@pytest.mark.parametrize("history", [[1], [3, 0], [-1, 0]])
def test_a_history_that_does_not_fit_its_windows_is_an_error(tmp_path: Path, history: list[int]) -> None:
    windows = read(tmp_path, [window("1", 1, [4, 7]), window("2", 0, [4, 5, 6])])
    with pytest.raises(ValueError, match="history"):
        replace(windows, history=np.array(history, np.int32))
