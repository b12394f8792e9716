"""The command line itself, and what its commands share."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Rabbithole follows a shopper's clicks and says who will buy. Snakemake runs these steps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[Any, typer.Option(parser=json.loads, metavar="JSON")]
File = Annotated[Path, typer.Option()]
# Spark's workers on other nodes run in folders of their own.
Shared = Annotated[Path, typer.Option(resolve_path=True)]
Threads = Annotated[int, typer.Option(min=1, help="Cores to use.")]


def use_threads(threads: int) -> None:
    """Hold the numeric libraries to so many cores; must come before they are imported."""
    from rabbithole.training.compile_cache import enable_compile_cache

    # NPROC sizes XLA's pool on CPU, OMP_NUM_THREADS scikit-learn's.
    os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    enable_compile_cache()
