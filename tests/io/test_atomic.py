"""Outputs appear whole or not at all; a raw log is known by its content."""

import errno
import os
from pathlib import Path

import pytest

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.manifests import read_manifest, write_manifest
from rabbithole.workflow.fingerprint import fingerprint


def test_a_step_that_fails_leaves_the_old_output_and_no_rubbish(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_write(target) as path:
        path.mkdir()
        (path / "a").write_text("old")
    (tmp_path / ".out.999999.partial").mkdir()
    with pytest.raises(RuntimeError), atomic_write(target) as path:
        path.mkdir()
        (path / "a").write_text("new, half")
        raise RuntimeError
    assert (target / "a").read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_told_with_the_output_that_did_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as told, atomic_write(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "written by a library that does not say where")
    assert told.value.filename == str(tmp_path / "out")


def test_a_manifest_tells_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"x")
    write_manifest(folder, rows=1)
    assert read_manifest(folder)["rows"] == 1
    (folder / "more.parquet").write_bytes(b"y")
    with pytest.raises(UserError, match=r"more\.parquet"):
        read_manifest(folder)
    (folder / "more.parquet").unlink()
    (folder / "part.parquet").unlink()
    with pytest.raises(UserError, match=r"part\.parquet"):
        read_manifest(folder)


def test_a_fingerprint_is_of_the_content_and_not_of_the_time(tmp_path: Path) -> None:
    log, memory = tmp_path / "log.csv", tmp_path / "memory.json"
    log.write_text("a")
    before = fingerprint([log], memory)
    os.utime(log, (1, 1))
    assert fingerprint([log], memory) == before
    log.write_text("b")
    assert fingerprint([log], memory) != before
    memory.write_text("{broken")
    assert fingerprint([log], memory) != before
