"""One finished run for all tests of the workflow, and the project as it was then."""

import shutil
from pathlib import Path

import pytest
from workflow_runs import ROOT, snakemake, workplace

NEEDED = ("src", "rules", "envs", "requirements", "profiles", "workflow", "tests/workflow")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project, which stays as it is while the tests run."""
    folder = tmp_path_factory.mktemp("project")
    for name in NEEDED:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished tiny run."""
    folder = workplace(tmp_path_factory.mktemp("run"))
    done = snakemake(folder, root=project)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder
