"""A run that is killed goes on as if nothing had been; `make torture` does so fifty times."""

import signal
from pathlib import Path

import numpy as np
from killing import leftovers, outcomes, run_and_kill
from workflow_runs import snakemake, workplace

KILLS = (
    ("snakemake", signal.SIGKILL),
    ("job", signal.SIGKILL),
    ("snakemake", signal.SIGINT),
)


def test_a_run_killed_three_times_comes_to_the_same_bytes(
    finished: Path, project: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    folder = workplace(tmp_path / "killed")
    kills = [run_and_kill(folder, project, target, how, random.uniform(8, 16)) for target, how in KILLS]
    assert None not in kills
    done = snakemake(folder, root=project)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found, expected = outcomes(folder), outcomes(finished)
    assert len(expected) > 15
    assert found == expected
    assert leftovers(folder) == []
