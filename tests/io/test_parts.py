"""Parts of a folder: groups that split no key, and attempts at the same part that write side by side."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rabbithole.io.digests import WrittenFile
from rabbithole.io.parts import PartWriter, complete_groups, new_folder, remove_other_attempts


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


def test_a_part_is_hashed_while_written_and_no_attempt_touches_the_file_of_another(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    table = pa.table({"row": rng.random(200_000), "name": pa.array(rng.integers(0, 9, 200_000).astype(str))})
    with PartWriter(tmp_path, 7, table.schema, "train") as slow:
        slow.write(table.slice(0, 1000))
        with PartWriter(tmp_path, 7, table.schema, "train") as quick:
            for start in range(0, len(table), 1000):
                quick.write(table.slice(start, 1000))
        for start in range(1000, len(table), 1000):
            slow.write(table.slice(start, 1000))
    names = ["train/part-00007-0.parquet", "train/part-00007-1.parquet"]
    assert [*slow.written, *quick.written] == names
    content = (tmp_path / names[0]).read_bytes()
    facts = WrittenFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), rows=len(table))
    assert slow.written == {names[0]: facts} and quick.written == {names[1]: facts}
    assert pq.read_table(tmp_path / names[1]).equals(table)
    remove_other_attempts(tmp_path, quick.written)
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["part-00007-1.parquet"]


def test_an_attempt_without_rows_or_with_an_error_reports_no_part(tmp_path: Path) -> None:
    table = pa.table({"row": [1, 2]})
    with PartWriter(tmp_path, 0, table.schema) as empty:
        empty.write(table.slice(0, 0))
    assert not empty.written and not list(tmp_path.iterdir())
    failed = PartWriter(tmp_path, 0, table.schema)
    with pytest.raises(RuntimeError), failed:
        failed.write(table)
        raise RuntimeError
    assert not failed.written
    with PartWriter(tmp_path, 0, table.schema) as retried:
        retried.write(table)
    assert list(retried.written) == ["part-00000-1.parquet"]


def test_a_new_folder_replaces_the_old_one_and_is_removed_when_its_step_fails(tmp_path: Path) -> None:
    folder, manifest = tmp_path / "events", tmp_path / "events.json"
    for _ in range(2):
        with new_folder(folder):
            assert not manifest.exists() and not list(folder.iterdir())
            (folder / "part-00000-0.parquet").write_text("a killed run leaves it")
        manifest.write_text("{}")
    with pytest.raises(RuntimeError), new_folder(folder):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
