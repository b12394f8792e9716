"""Memory of jobs, and options of rules that change no result.

An option is a function of threads or resources, because Snakemake does not track such params.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rabbithole.job_lifetime import PARENT, parent_id
from rabbithole.specs.data import SessionsPurpose, SparkOptions
from rabbithole.specs.training import ResumeOptions
from rabbithole.workflow.project import Project, Wildcards

NETWORK_MEMORY, ESTIMATOR_MEMORY = 4000, 8000
"""MB of a training. An estimator holds the features of a million sessions and of their prefixes."""


def shell_prefix(source: Path, *, conda: bool) -> str:
    """Return the first commands of every job: its package path and its parent process.

    Jobs run the package in `source`, with the Python that runs Snakemake unless conda brings one.
    """
    commands = ["set -euo pipefail", f"export PYTHONPATH={shlex.quote(str(source))}"]
    # `python -m` would look for modules in the working folder first, where the user may have a calendar.py.
    commands.append("export PYTHONSAFEPATH=1")
    # See `training.loop.process_count`. Without braces: Snakemake formats the text.
    step = ".".join(f"$(printenv {name} || true)" for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    commands.append(f'export RABBITHOLE_SLURM_STEP="{step}"')
    commands.append(f"export {PARENT}={shlex.quote(parent_id())}")
    if not conda:
        commands.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    return "; ".join(commands) + "; "


@dataclass(frozen=True)
class JobOptions:
    """Memory of jobs, and where Spark and resumable training keep their state. checkout: the project."""

    project: Project
    checkout: Path

    def spark_memory(self, wildcards: Wildcards, attempt: int) -> int:  # noqa: ARG002 - as Snakemake calls it
        """Return the memory of a Spark step in MB: half as much again on each retry."""
        return int(self.project.settings.spark.memory_mb * (1 + (attempt - 1) / 2))

    def train_memory(self, wildcards: Wildcards) -> int:
        """Return the memory of a training in MB."""
        return NETWORK_MEMORY if wildcards.model in self.project.networks else ESTIMATOR_MEMORY

    def model_file(self, wildcards: Wildcards, resources: Any) -> list[str]:  # noqa: ARG002
        """Return the option that names the user's own file of a model; its content is in `code`."""
        file = self.project.settings.models[wildcards.model].file
        return [] if file is None else ["--model-file", file]

    def storage(self, wildcards: Wildcards, output: Any, resources: Any) -> list[str]:  # noqa: ARG002
        """Return the option that says where a rule's data go; none for the results folder.

        In the storage they have the path that the first output has in the results folder.
        """
        storage = self.project.settings.storage
        folder = str(output[0]).removeprefix(f"{self.project.results}/").rpartition("/")[0]
        return [] if storage is None else ["--storage", f"{storage}/{folder}"]

    def spark(self, wildcards: Wildcards, threads: int, resources: Any) -> str:  # noqa: ARG002
        """Return where and how large Spark runs, as JSON."""
        spark = self.project.settings.spark
        return SparkOptions(
            master=spark.master, conf=spark.conf, threads=threads, memory_mb=resources.mem_mb
        ).to_json()

    def purpose(self, wildcards: Wildcards, resources: Any) -> str:  # noqa: ARG002
        """Return what the sessions of a data set are for, as JSON."""
        dataset = self.project.dataset(wildcards)
        return SessionsPurpose(
            buyers=dataset.target == "buyer", keep_open=dataset.sessions.keep_open
        ).to_json()

    def resume(self, wildcards: Wildcards, resources: Any) -> str:  # noqa: ARG002
        """Return where and how often a training saves its state, as JSON."""
        return self._resume(wildcards.dataset, wildcards.model)

    def text_resume(self, wildcards: Wildcards, resources: Any) -> str:  # noqa: ARG002
        """Return where and how often the training of a text model saves its state, as JSON."""
        return self._resume("alice", wildcards.text_model)

    def launcher(self, wildcards: Wildcards, resources: Any) -> str:  # noqa: ARG002
        """Return the command that starts a step, as the profile's resource `mpi` says; empty without one.

        That is `srun`, say, or a script beside the Slurm profile.
        """
        if "mpi" not in resources.keys():  # noqa: SIM118 - Snakemake's resources are no mapping
            return ""
        program, *arguments = shlex.split(resources.mpi)
        script = self.checkout / "profiles/slurm" / program
        program = str(script) if script.exists() else program
        return shlex.join([program, *arguments, "-n", str(resources.tasks)])

    def _resume(self, *model: str) -> str:
        minutes = self.project.settings.training.checkpoint_minutes
        return ResumeOptions(folder=self.project.path(*model, "resume"), minutes=minutes).to_json()
