"""One finished run, one by folds, and the copy of the project that made them, for all tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from workflow_runs import ROOT, Copy, make_run_folder, snakemake

COPIED_FOLDERS = ("src", "rules", "envs", "requirements", "profiles", "workflow", "tests/runs")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one test process makes while the others wait."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, ready = shared / name, shared / f"{name}.ready"
    with FileLock(shared / f"{name}.lock"):
        if not ready.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            ready.touch()
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project. Edits to the original during the tests do not affect it."""

    def copy(folder: Path) -> None:
        for name in COPIED_FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy2(ROOT / name, folder / name)

    return made_once(tmp_path_factory, "project", copy)


@pytest.fixture(scope="session")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished tiny run."""

    def run(folder: Path) -> None:
        done = snakemake(make_run_folder(folder), root=project, list_imports=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]

    return made_once(tmp_path_factory, "finished", run)


@pytest.fixture(scope="session")
def finished_by_folds(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run by folds."""

    def run(folder: Path) -> None:
        done = snakemake(folder, config=project / "tests/runs/folds.yaml", root=project, tiny=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]

    return made_once(tmp_path_factory, "folds", run)


@pytest.fixture
def copy(project: Path, finished: Path, tmp_path: Path) -> Copy:
    """Copy the finished run and the project to other folders, with their modification times."""
    shutil.copytree(project, tmp_path / "project")
    shutil.copytree(finished, tmp_path / "run", symlinks=True)
    return Copy(tmp_path / "project", tmp_path / "run")
