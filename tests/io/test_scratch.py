"""Temporary folders: none stays behind, whatever became of its process."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rabbithole.io.scratch import scratch_folder

HOLD = """
import sys
from rabbithole.io.scratch import scratch_folder
with scratch_folder("events") as folder:
    (folder / "log").write_text("unpacked")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_killed_process_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "rabbithole-mine").mkdir()
    command = [sys.executable, "-c", HOLD]
    holder = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    folders = [Path(process.stdout.readline().strip()) for process in holder if process.stdout]
    assert all((folder / "log").exists() for folder in folders)
    holder[0].send_signal(signal.SIGKILL)
    holder[0].communicate()
    with scratch_folder("spark") as own:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["rabbithole-mine", folders[1].name, own.name]
        )
    holder[1].communicate("")
    assert [path.name for path in tmp_path.iterdir()] == ["rabbithole-mine"]


@pytest.mark.parametrize(
    ("name", "warns"), [("", False), ("./x/..", False), ("nowhere", True), ("file", True)]
)
def test_a_folder_for_temporary_files_that_is_passed_over_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    warns: bool,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "x").mkdir()
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/{name}")
    monkeypatch.setattr("tempfile.tempdir", None)
    with caplog.at_level(logging.WARNING), scratch_folder("spark"):
        assert ("where no file can be written. Temporary files go to" in caplog.text) == warns
