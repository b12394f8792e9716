"""Outputs are written completely or not at all."""

import errno
from pathlib import Path

import pytest

from rabbithole.io.atomic import atomic_write, copy_folder, removed_on_error


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


def test_a_copy_that_fails_names_the_output_and_not_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source := tmp_path / "source" / "inner").mkdir(parents=True)
    (source / "a").write_text("a" * 10**6)
    (source / "left out").write_text("b")
    copy_folder(source.parent, tmp_path / "copy", without=["left out"])
    assert [path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()] == ["a"]

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left") as error, atomic_write(tmp_path / "out") as path:
        copy_folder(source.parent, path)
    assert error.value.filename == str(tmp_path / "out")


def test_an_output_goes_where_what_belongs_to_it_cannot_be_written(tmp_path: Path) -> None:
    (page := tmp_path / "page.html").touch()
    with pytest.raises(OSError, match="full"), removed_on_error(page):
        raise OSError(errno.ENOSPC, "full")
    assert not page.exists()
