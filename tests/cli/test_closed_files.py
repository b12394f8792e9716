"""A command whose standard files are closed says so, or reads nothing."""

import os
import subprocess
import sys

import pytest

from rabbithole.job_lifetime import PARENT, parent_id


@pytest.mark.parametrize(("closed", "status", "reason"), [("1", 1, "the output: "), ("0", 0, "")])
def test_a_closed_standard_file_ends_in_a_sentence(closed: str, status: int, reason: str) -> None:
    command = f"exec {closed}>&-; exec {sys.executable} -m rabbithole --version"
    # As a job of Snakemake's, it holds a file that tells it when to kill itself.
    environment = os.environ | {PARENT: parent_id()}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert reason in done.stderr and len(done.stderr.splitlines()) == bool(reason)
