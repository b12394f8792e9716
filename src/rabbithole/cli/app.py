"""The command line itself, and the options that its commands share."""

import logging
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from rabbithole.specs.base import Spec
from rabbithole.specs.data import SparkOptions
from rabbithole.specs.training import ResumeOptions

PANELS = SETUP, RUN, WORK, DEVELOP = "Set up", "Understand a run", "Put a model to work", "Develop"
"""Panels of `rabbithole --help`, in the order in which people need them."""

DATA, MODELS, EVALUATION, REPORT, STUDIES, TEXT = "Data", "Models", "Evaluation", "Report", "Studies", "Text"
"""Panels of `rabbithole step --help`, in the order of the pipeline."""

app = typer.Typer(
    help="Rabbithole follows a shopper's clicks and says who will buy.",
    epilog="Run the whole workflow with `snakemake --cores all`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

step = typer.Typer(help="One step of the workflow, as the Snakemake rules call it.", no_args_is_help=True)
STEP = "step"
app.add_typer(step, name=STEP, rich_help_panel=DEVELOP)


def _print_version(value: bool) -> None:
    if value:
        try:
            print(f"rabbithole {version('rabbithole')}")
        except PackageNotFoundError:
            print("rabbithole (its version is unknown, as it is not installed: run `make environment`)")
        raise typer.Exit


@app.callback()
def set_up(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback prints it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log progress, not only warnings.")
    ] = False,
) -> None:
    """Set up logging: our own messages only, in one format, to the standard error.

    The standard output may hold scores.
    """
    logger, handler = logging.getLogger("rabbithole"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    # A step always logs its progress, as Snakemake keeps it in the log of the job.
    progress = verbose or context.invoked_subcommand == STEP
    logger.setLevel(logging.INFO if progress else logging.WARNING)
    logger.propagate = False


def use_threads(threads: int, *, trains: bool = False) -> None:
    """Set the thread count of XLA and scikit-learn; must be called before they are imported.

    trains: whether to warn of flags of XLA's that may change what is trained.
    """
    from rabbithole.cli import jax_setup

    jax_setup.refuse_bad_flags()
    jax_setup.drop_other_variables()
    # NPROC sizes XLA's thread pool on CPU, OMP_NUM_THREADS that of scikit-learn.
    os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    jax_setup.enable_compile_cache()
    if trains:
        jax_setup.warn_of_flags()


def store(storage: str | None, *tables: Path) -> None:
    """Move tables that a step wrote into storage, if the data set has one."""
    if storage is not None:
        from rabbithole.io.tables import move_to_storage

        for table in tables:
            move_to_storage(table, storage)


def paths(names: dict[str, str]) -> dict[str, Path]:
    """Return files by name as paths."""
    return {name: Path(path) for name, path in names.items()}


def spec_option(kind: type[Spec], text: str = "What the step reads of the settings, as JSON.") -> Any:
    """Return an option that takes a spec as JSON."""
    return typer.Option(parser=kind.parse, metavar="JSON", help=text)


def json_option(kind: Any, text: str) -> Any:
    """Return an option that takes values of a type as JSON."""
    return typer.Option(parser=TypeAdapter(kind).validate_json, metavar="JSON", help=text)


def file_option(text: str) -> Any:
    """Return an option that takes a path."""
    return typer.Option(help=text)


def shared_option(text: str) -> Any:
    """Return an option that takes a path, made absolute: Spark's workers run in folders of their own."""
    return typer.Option(help=text, resolve_path=True)


def data_option(text: str, manifest: str) -> Any:
    """Return an option that takes a folder of data; files in storage are on this machine during the step.

    manifest: the class of the folder's manifest.
    """

    def fetch(context: typer.Context, folder: Path | None) -> Path | None:
        import rabbithole.artifacts.data

        if folder is None:
            return None
        local: Path = context.with_resource(
            getattr(rabbithole.artifacts.data, manifest).on_this_machine(folder)
        )
        return local

    return typer.Option(help=text, callback=fetch)


Named = dict[str, str]
Spark = Annotated[SparkOptions, spec_option(SparkOptions, "Where and how large Spark runs, as JSON.")]
Resume = Annotated[
    ResumeOptions, spec_option(ResumeOptions, "Where and how often the state is saved, as JSON.")
]
Code = Annotated[str, typer.Option(help="Digest of the code; a saved state counts only for the same code.")]
Threads = Annotated[int, typer.Option(min=1, help="Cores to use.")]
SparkEvents = Annotated[Path, shared_option("Folder of events, wherever its data lie.")]
SparkSessions = Annotated[Path, shared_option("Folder of sessions, wherever its data lie.")]
Events = Annotated[Path, data_option("Folder of events.", "EventsManifest")]
Sessions = Annotated[Path, data_option("Folder of sessions.", "SessionsManifest")]
WindowsFolder = Annotated[Path, data_option("Folder of windows.", "WindowsManifest")]
Raw = Annotated[Path, file_option("Folder of the simulated log.")]
ModelFile = Annotated[
    Path | None, file_option("The user's own file with the model; left out for a model of the package.")
]
Checkpoint = Annotated[Path, file_option("Folder of the trained model.")]
HistoryFile = Annotated[Path, file_option("history.json of the training.")]
OutputFile = Annotated[Path, file_option("File to write.")]
CartsFile = Annotated[Path, file_option("File of the scores at the first add-to-cart.")]
OutputFolder = Annotated[Path, file_option("Folder to write.")]
SharedOutput = Annotated[Path, shared_option("Folder to write.")]
Storage = Annotated[
    str | None,
    typer.Option(help="Address of the output's folder in the storage; left out where the data stay here."),
]
Text = Annotated[Path, file_option("The book.")]
