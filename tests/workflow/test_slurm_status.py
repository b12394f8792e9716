"""On a Slurm without accounting, the plugin is made to ask `squeue`; tests/slurm does so on a cluster."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rabbithole.workflow.run_handlers import ask_squeue_without_accounting


def workflow(command: str | None = "sacct") -> Any:
    """Return as much of a workflow as is looked at; without a command, on another executor."""
    settings = SimpleNamespace(status_command=command, init_seconds_before_status_checks=20)
    return SimpleNamespace(executor_settings=None if command is None else settings)


def slurm(folder: Path, patch: pytest.MonkeyPatch, *, accounting: bool, age: int = 300) -> None:
    """Put programs of a Slurm before all others."""
    says = "echo 17" if accounting else "echo Slurm accounting storage is disabled >&2; exit 1"
    for name, text in (("sacct", says), ("scontrol", f"echo 'MinJobAge = {age} sec'")):
        (program := folder / name).write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize(("accounting", "command"), [(True, "sacct"), (False, "squeue")])
def test_squeue_is_asked_only_where_there_is_no_accounting(
    accounting: bool, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm(tmp_path, monkeypatch, accounting=accounting)
    ask_squeue_without_accounting(on_slurm := workflow())
    assert on_slurm.executor_settings.status_command == command
    ask_squeue_without_accounting(workflow(None))


def test_a_slurm_that_forgets_its_jobs_too_soon_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm(tmp_path, monkeypatch, accounting=False, age=30)
    with pytest.raises(SystemExit, match=r"forgets jobs 30 s after .* to 10 or less"):
        ask_squeue_without_accounting(workflow())
