"""Outputs are written completely or not at all."""

import errno
from pathlib import Path

import pytest

from rabbithole.io.atomic import atomic_write


@pytest.mark.parametrize("name", ["out", "[out]*"])
def test_a_failing_step_leaves_the_old_output_and_no_temporaries(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    with atomic_write(target) as path:
        path.mkdir()
        (path / "a").write_text("old")
    (tmp_path / f".{name}.999999.partial").mkdir()
    with pytest.raises(RuntimeError), atomic_write(target) as path:
        path.mkdir()
        (path / "a").write_text("new, incomplete")
        raise RuntimeError
    assert (target / "a").read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == [name]


def test_the_error_of_a_full_disk_names_the_output(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, atomic_write(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "raised by a library without a path")
    assert error.value.filename == str(tmp_path / "out")
