"""What the rules share: the checked settings, digests of code, inputs that depend on the settings."""

import json
import shlex
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

# The package need not be installed where Snakemake runs, and a later copy of it elsewhere must not win.
HOME = Path(workflow.current_basedir).parent
SOURCE = HOME / "src"
sys.path.insert(0, str(SOURCE))

from rabbithole import parent
from rabbithole.workflow.code_digest import code_digest as code
from rabbithole.errors import UserError
from rabbithole.workflow.fingerprint import fingerprint
from rabbithole.config.validation import check
from rabbithole.config.models import Network, Training
from rabbithole.ingest.locate import is_remote, locate

# Jobs run this package, with the Python that runs Snakemake unless conda brings one.
PREFIX = f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(SOURCE))}; "
PREFIX += f"export {parent.PARENT}={shlex.quote(parent.name())}; "
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    PREFIX += f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
shell.prefix(PREFIX)


def refuse(error):
    """End with a mistake of the user's as a plain message, without the places in these files that it passed."""
    sys.exit(f"Error: {error}")


try:
    SETTINGS = check(config)
except UserError as error:
    refuse(error)


# Found while the rules are read: another workflow that imports these as a module may say where results lie.
RESULTS = workflow.pathvars.apply("<results>")


def results(path):
    """Return a path below the results folder."""
    return f"{RESULTS}/{path}"


def find_raw_files(name, dataset):
    """Return a data set's raw files by role, and a digest of what they hold; none for a simulated one.

    Found before any job, so that a missing or unreadable log stops the run at once; a log of which any
    file lies at an address is found by the job, and taken to stay as it is.
    """
    if dataset.source == "simulate":
        return {}, "simulated"
    if is_remote(dataset.source):
        return {}, "fetched"
    try:
        files = locate(dataset.format, dataset.source)
        paths = [path for role in files.values() for path in role]
        return files, fingerprint(paths, Path(results("fingerprints.json")))
    except UserError as error:
        refuse(f"datasets.{name}.source: {error}")
    except OSError as error:
        refuse(f"datasets.{name}.source: {error.filename}: {error.strerror}")


def find_book(source):
    """Return the user's own book as a job's input, and a digest of it; none where it comes from an address.

    Found before any job, as the raw logs are.
    """
    if "://" in source:
        return [], "fetched"
    try:
        digest = fingerprint([Path(source)], Path(results("fingerprints.json")))
        return [ancient(source)], digest
    except OSError as error:
        refuse(f"alice.source: {error.filename}: {error.strerror}")


DATASETS = list(SETTINGS.datasets)
MODELS = list(SETTINGS.models)
NETWORKS = [name for name, model in SETTINGS.models.items() if model.kind == "network"]
BOOK, BOOK_CONTENT = find_book(SETTINGS.alice.source)
RAW = {name: find_raw_files(name, found) for name, found in SETTINGS.datasets.items()}
SEEDS = SETTINGS.seeds
TEXT_MODELS = ["deck", "char_gru"]
FIGURES = [
    "roc",
    "precision_recall",
    "reliability",
    "early",
    "gain",
    "importance",
    "journeys",
    "learning",
    "lengths",
]


wildcard_constraints:
    dataset="|".join(DATASETS),
    model="|".join(MODELS),
    seed="|".join(str(seed) for seed in SEEDS),
    text_model="|".join(TEXT_MODELS),
    figure="|".join(FIGURES),


def as_text(values):
    """Return settings as JSON with sorted keys: Snakemake compares params as text and tracks only plain ones."""
    return json.dumps(values, sort_keys=True)


def simulated(wildcards):
    """Say whether a data set is made by the simulator."""
    return SETTINGS.datasets[wildcards.dataset].source == "simulate"


def raw_inputs(wildcards):
    """Return the raw log as a job's input: the simulator's folder, or the user's files whatever their age."""
    if simulated(wildcards):
        return [results(f"{wildcards.dataset}/raw")]
    files, _ = RAW[wildcards.dataset]
    return [ancient(str(path)) for paths in files.values() for path in paths]


def raw_content(wildcards):
    """Return a digest of the user's raw files, so that touching one reruns nothing and changing one does."""
    return RAW[wildcards.dataset][1]


def spark_memory(wildcards, attempt):
    """Return the memory of a Spark step, in MB: half as much again on each retry."""
    return int(SETTINGS.spark.memory_mb * (1 + (attempt - 1) / 2))


def spark_options(wildcards, threads, resources):
    """Return where and how large Spark runs. A function of resources, so Snakemake does not track it."""
    keys = SETTINGS.spark.model_dump(include={"master", "conf"})
    return as_text(keys | {"threads": threads, "memory_mb": resources.mem_mb})


def launcher(wildcards, resources):
    """Return what starts a step, as a profile's `mpi` says: nothing, `srun`, or a script beside that profile."""
    if "mpi" not in resources.keys():
        return ""
    program, *arguments = shlex.split(resources.mpi)
    script = HOME / "profiles/slurm" / program
    program = str(script) if script.exists() else program
    return shlex.join([program, *arguments, "-n", str(resources.tasks)])
