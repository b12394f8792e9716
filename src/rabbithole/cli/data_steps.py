"""Steps from a raw log to windows, the leak checks and the oracle.

Each command imports its step when it runs, so that no step pays for the libraries of another.
"""

from pathlib import Path
from typing import Annotated

from rabbithole.cli.app import (
    DATA,
    Events,
    OutputFile,
    OutputFolder,
    Raw,
    Sessions,
    SharedOutput,
    Spark,
    SparkEvents,
    SparkSessions,
    Storage,
    WindowsFolder,
    shared_option,
    spec_option,
    step,
    store,
)
from rabbithole.specs.data import (
    EventsSpec,
    OracleSpec,
    SessionsPurpose,
    SessionsSpec,
    SimulateSpec,
    WindowsSpec,
)


@step.command(rich_help_panel=DATA)
def simulate(spec: Annotated[SimulateSpec, spec_option(SimulateSpec)], output: OutputFolder) -> None:
    """Simulate a raw log, with its parameters and the true labels."""
    from rabbithole.simulator.write import simulate

    simulate(spec, output=output)


@step.command(rich_help_panel=DATA)
def events(
    spec: Annotated[EventsSpec, spec_option(EventsSpec)],
    spark: Spark,
    output: SharedOutput,
    rejected: Annotated[Path, shared_option("Folder for the rejected lines.")],
    storage: Storage = None,
) -> None:
    """Read a raw log into events; set aside the lines that cannot be read."""
    from rabbithole.ingest.build import build_events
    from rabbithole.spark.session import resolve_options

    options = resolve_options(spark)
    build_events(spec, output=output, rejected=rejected, spark=options, storage=storage)


@step.command(rich_help_panel=DATA)
def sessions(
    spec: Annotated[SessionsSpec, spec_option(SessionsSpec)],
    spark: Spark,
    purpose: Annotated[SessionsPurpose, spec_option(SessionsPurpose, "What the sessions are for, as JSON.")],
    events: SparkEvents,
    output: SharedOutput,
    storage: Storage = None,
) -> None:
    """Build sessions from events: labelled, cut before the first purchase, and split."""
    from rabbithole.sessions.build import build_sessions
    from rabbithole.spark.session import resolve_options

    options = resolve_options(spark)
    build_sessions(spec, events=events, output=output, spark=options, purpose=purpose, storage=storage)


@step.command(rich_help_panel=DATA)
def windows(
    spec: Annotated[WindowsSpec, spec_option(WindowsSpec)],
    spark: Spark,
    sessions: SparkSessions,
    output: SharedOutput,
    storage: Storage = None,
) -> None:
    """Fit the encoder on train and write the last steps of each session as codes and numbers."""
    from rabbithole.spark.session import resolve_options
    from rabbithole.windows.build import build_windows

    options = resolve_options(spark)
    build_windows(spec, sessions=sessions, output=output, spark=options, storage=storage)


@step.command(rich_help_panel=DATA)
def check_leaks(events: Events, sessions: Sessions, windows: WindowsFolder, output: OutputFile) -> None:
    """Check events, sessions and windows for leaks."""
    from rabbithole.checks.leak_checks import check_leaks

    check_leaks(events=events, sessions=sessions, windows=windows, output=output)


@step.command(rich_help_panel=DATA)
def oracle(
    spec: Annotated[OracleSpec, spec_option(OracleSpec)],
    sessions: Sessions,
    raw: Raw,
    output: OutputFile,
    storage: Storage = None,
) -> None:
    """Score the sessions of a simulated log as well as its parameters allow."""
    if spec.earlier_sessions is None:
        from rabbithole.simulator.oracle import score_oracle

        score_oracle(spec, sessions=sessions, parameters=raw / "parameters.json", output=output)
    else:
        from rabbithole.simulator.returning_oracle import score_returning

        score_returning(spec, sessions=sessions, parameters=raw / "parameters.json", output=output)
    store(storage, output)
