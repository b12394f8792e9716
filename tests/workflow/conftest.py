"""One finished run for all tests of the workflow."""

from pathlib import Path

import pytest
from workflow_runs import snakemake, workplace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished tiny run."""
    folder = workplace(tmp_path_factory.mktemp("run"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder
