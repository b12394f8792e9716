"""Options of jobs, which do not change results."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workflow.projects import project, wildcards

from rabbithole.workflow.job_options import JobOptions, shell_prefix

ROOT = Path(__file__).parents[2]


class JobResources(SimpleNamespace):
    """Resources as Snakemake passes them: attributes and a keys() method."""

    def keys(self) -> Any:
        """Return the names of the resources."""
        return vars(self).keys()


def test_each_retry_of_a_spark_step_adds_half_of_the_memory_setting() -> None:
    options = JobOptions(project(spark={"memory_mb": 2000}), ROOT)
    assert [options.spark_memory(wildcards(), attempt) for attempt in (1, 2, 3)] == [2000, 3000, 4000]


def test_spark_gets_the_threads_and_memory_of_its_job() -> None:
    options = JobOptions(project(spark={"master": "yarn"}), ROOT)
    spark = json.loads(options.spark(wildcards(), 3, JobResources(mem_mb=1500)))
    assert spark == {"conf": {}, "master": "yarn", "memory_mb": 1500, "threads": 3}


def test_the_launcher_is_the_one_in_the_profile() -> None:
    options = JobOptions(project(), ROOT)
    assert options.launcher(wildcards(), JobResources(mem_mb=1)) == ""
    assert options.launcher(wildcards(), JobResources(mpi="srun -u", tasks=4)) == "srun -u -n 4"
    script = options.launcher(wildcards(), JobResources(mpi="spark-cluster.sh", tasks=2))
    assert script == f"{ROOT}/profiles/slurm/spark-cluster.sh -n 2"


def test_trees_get_more_memory_than_networks() -> None:
    options = JobOptions(project(), ROOT)
    assert options.train_memory(wildcards(model="gradient_boosting")) > options.train_memory(
        wildcards(model="gru")
    )


def test_a_job_runs_this_package_with_the_python_of_snakemake_unless_conda_brings_one() -> None:
    own, conda = (shell_prefix(Path("/a b/src"), conda=conda) for conda in (False, True))
    assert own.startswith("set -euo pipefail; export PYTHONPATH='/a b/src'; ")
    assert conda == own[: own.index("export PATH=")]
    assert f'export PATH={Path(sys.executable).parent}:"$PATH"; ' in own
