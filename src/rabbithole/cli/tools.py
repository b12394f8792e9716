"""Commands for people, and those that set up the environment."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from rabbithole.cli.app import DEVELOP, RUN, SETUP, app

LOGGER = logging.getLogger("rabbithole")

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS_ON, rich_help_panel=RUN)
def why() -> None:
    """Show what `snakemake` would run and why, by reason: which setting, file or code changed, and how.

    Arguments are passed on to Snakemake, such as --configfile or a target.
    """
    from rabbithole.workflow.why import why

    # From sys.argv: typer would remove a `--`, which Snakemake needs before a target.
    verbose = LOGGER.isEnabledFor(logging.INFO)
    for line in why(sys.argv[sys.argv.index("why") + 1 :], list_jobs=verbose):
        print(line)


@app.command(rich_help_panel=SETUP)
def inspect(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, folders, globs or archives of one log.")
    ],
    encoding: Annotated[
        str | None,
        typer.Option(help="Encoding of texts that are not UTF-8, such as gb18030 or windows-1251."),
    ] = None,
) -> None:
    """Look at a sample of any click log, and print settings that turn it into a report.

    Write them to a file: `rabbithole inspect FILE... > shop.yaml`. The terminal says what was found.

    The exit code is 1 where something must be filled in first.
    """
    from rabbithole.inspection.inspect import inspect
    from rabbithole.inspection.summary import show, stderr_console

    inspection = inspect(files, encoding)
    print(inspection.text, end="")
    show(inspection, stderr_console())
    if not inspection.complete:
        raise typer.Exit(1)


@app.command(rich_help_panel=SETUP)
def fetch(
    log: Annotated[Literal["retailrocket", "yoochoose"], typer.Argument(help="Which log.")],
    folder: Annotated[Path | None, typer.Argument(help="Where to put it; data/LOG if not given.")] = None,
) -> None:
    """Download a real log from Kaggle, and print the settings that use it.

    The terms of use are on the log's page at Kaggle.
    """
    import yaml

    from rabbithole.ingest.fetch import fetch_log

    source = fetch_log(log, folder or Path("data", log))
    settings = {"datasets": {log: {"format": log, "source": str(source)}}}
    print(yaml.safe_dump(settings, sort_keys=False), end="")
    print(
        "To use the log, save these lines in a file, say mine.yaml, and run "
        "snakemake --cores all --configfile mine.yaml",
        file=sys.stderr,
    )


@app.command(rich_help_panel=SETUP)
def java() -> None:
    """Show which Java Spark runs on here."""
    from rabbithole.spark.environment import java_in_use

    print(java_in_use())


@app.command(rich_help_panel=SETUP)
def archive_spark() -> None:
    """Save the classes that Spark loads in the environment, so that every Spark step starts faster."""
    from rabbithole.spark.class_archive import archive_spark

    archive_spark()


@app.command(rich_help_panel=DEVELOP)
def schema() -> None:
    """Print the JSON schema of config.yaml."""
    from rabbithole.config.reference import config_schema

    print(json.dumps(config_schema(), indent=2))


@app.command(rich_help_panel=DEVELOP)
def config_reference() -> None:
    """Print docs/reference/config.md: every key of config.yaml with its default and effect."""
    from rabbithole.config.reference import config_reference

    print(config_reference(), end="")
