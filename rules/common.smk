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
from rabbithole.code_digest import code_digest as code
from rabbithole.errors import UserError
from rabbithole.fingerprint import fingerprint
from rabbithole.settings.check import check
from rabbithole.settings.models import Network, Training
from rabbithole.sources.locate import is_remote, locate

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


def simulate_settings(wildcards):
    """Return what `simulate` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    return as_text(
        {
            "format": dataset.format,
            "sessions": dataset.simulate.sessions,
            "seed": SETTINGS.seed,
        }
    )


def events_settings(wildcards):
    """Return what `events` reads, the place of the raw log included."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    source = (
        results(f"{wildcards.dataset}/raw") if simulated(wildcards) else dataset.source
    )
    keys = dataset.model_dump(include={"format", "max_rejected", "drop_duplicates"})
    return as_text(keys | {"source": source})


def sessions_settings(wildcards):
    """Return what `sessions` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    keys = dataset.sessions.model_dump(exclude={"keep_open"})
    hashed = dataset.split.by == "hash" or dataset.sessions.sample < 1
    seed = SETTINGS.seed if hashed else 0
    return as_text(keys | {"split": dataset.split.model_dump(), "seed": seed})


def windows_settings(wildcards):
    """Return what `windows` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    keys = dataset.windows.model_dump()
    return as_text(
        keys | {"timezone": dataset.timezone, "keep_open": dataset.sessions.keep_open}
    )


def judged_steps(dataset):
    """Return after how many events running sessions are judged: none beyond what a window holds."""
    return [k for k in SETTINGS.evaluation.steps if k <= dataset.windows.length]


def score_settings(wildcards):
    """Return what `score` reads."""
    return as_text({"steps": judged_steps(SETTINGS.datasets[wildcards.dataset])})


def oracle_settings(wildcards):
    """Return what `oracle` reads."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    return as_text(
        {
            "window": dataset.windows.length,
            "steps": judged_steps(dataset),
            "keep_open": dataset.sessions.keep_open,
        }
    )


def train_settings(wildcards):
    """Return what `train` reads; only a network reads how networks are trained."""
    dataset = SETTINGS.datasets[wildcards.dataset]
    model = SETTINGS.models[wildcards.model]
    training = SETTINGS.training.model_dump(exclude={"checkpoint_minutes"})
    return as_text(
        {
            "model": wildcards.model,
            "settings": model.model_dump(exclude={"kind"}),
            "training": (
                training
                if model.kind == "network"
                else {"unseen_share": training["unseen_share"]}
            ),
            "balance": dataset.balance,
            "augmentation": dataset.augmentation.model_dump(),
            "target": dataset.target,
            "seed": int(wildcards.seed),
        }
    )


def evaluate_settings():
    """Return what `evaluate` reads."""
    return as_text(SETTINGS.evaluation.model_dump(exclude={"steps"}))


def probe_settings(wildcards):
    """Return what `probe` reads: a GRU of the default size, whatever models are configured."""
    network = Network(kind="network").model_dump(exclude={"kind"})
    training = Training(epochs=2).model_dump(exclude={"checkpoint_minutes"})
    return as_text(
        {
            "model": "gru",
            "settings": network,
            "training": training,
            "sessions": 100_000,
            "seed": SETTINGS.seed,
        }
    )


def trial_settings(wildcards):
    """Return what `trial` reads."""
    network = SETTINGS.models[wildcards.model].model_dump(exclude={"kind"})
    return as_text(
        {
            "model": wildcards.model,
            "settings": network,
            "training": SETTINGS.training.model_dump(exclude={"checkpoint_minutes"}),
            "seeds": SEEDS,
            "steps": judged_steps(SETTINGS.datasets[wildcards.dataset]),
        }
    )


def trial_code(wildcards):
    """Return the digest of the trials and of one network."""
    return code("rabbithole.evaluation.trials", f"rabbithole.models.{wildcards.model}")


def resume_options(wildcards, resources):
    """Return where and how often a training keeps its state, which changes no result.

    A function of resources, so Snakemake does not track it.
    """
    return _resume(f"{wildcards.dataset}/{wildcards.model}")


def text_resume_options(wildcards, resources):
    """Return the same of a text network."""
    return _resume(f"alice/{wildcards.text_model}")


def _resume(model):
    folder = results(f"{model}/resume")
    return as_text({"folder": folder, "minutes": SETTINGS.training.checkpoint_minutes})


def model_code(wildcards):
    """Return the digest of the training loop, of the target and of one model, which are imported by name."""
    target = SETTINGS.datasets[wildcards.dataset].target
    return code(
        "rabbithole.training.train",
        f"rabbithole.training.{target}",
        f"rabbithole.models.{wildcards.model}",
    )


def scoring_code(wildcards):
    """Return the digest of scoring with one model."""
    return code("rabbithole.training.score", f"rabbithole.models.{wildcards.model}")


def explaining_code(wildcards):
    """Return the digest of explaining one model."""
    return code("rabbithole.evaluation.explain", f"rabbithole.models.{wildcards.model}")


def next_event_code(wildcards):
    """Return the digest of judging one network's next events."""
    return code(
        "rabbithole.evaluation.next_network", f"rabbithole.models.{wildcards.model}"
    )


def text_settings(wildcards):
    """Return what `train-text` reads."""
    model = getattr(SETTINGS.alice.models, wildcards.text_model).model_dump()
    return as_text(
        {
            "model": wildcards.text_model,
            "settings": model,
            "lower": SETTINGS.alice.lower_case,
            "seed": SETTINGS.seed,
        }
    )


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
