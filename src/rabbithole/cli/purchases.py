"""Steps from a raw log to judged scores."""

from pathlib import Path
from typing import Annotated

import typer

from rabbithole.cli.app import File, Json, Shared, Threads, app, use_threads


@app.command()
def simulate(settings: Json, output: File) -> None:
    """Write a raw log of simulated shoppers, with its parameters and the truth."""
    from rabbithole.simulator.write import simulate

    simulate(**settings, output=output)


@app.command()
def events(settings: Json, spark: Json, output: Shared, rejected: Shared) -> None:
    """Read a raw log into events; set aside the lines that can't be read."""
    from rabbithole.ingest.build import build_events
    from rabbithole.ingest.remote import files_of
    from rabbithole.spark.session import resolve_options

    options, fetched = resolve_options(spark), output.with_name("fetched")
    with files_of(settings["format"], settings.pop("source"), fetched, options) as files:
        build_events(**settings, files=files, output=output, rejected=rejected, spark=options)


@app.command()
def sessions(settings: Json, spark: Json, events: Shared, output: Shared) -> None:
    """Gather events into sessions: labelled, cut before the first purchase, split."""
    from rabbithole.sessions.build import build_sessions
    from rabbithole.spark.session import resolve_options

    build_sessions(**settings, events=events, output=output, spark=resolve_options(spark))


@app.command()
def windows(settings: Json, spark: Json, sessions: Shared, output: Shared) -> None:
    """Fit the encoder on train and write the last steps of each session as codes and numbers."""
    from rabbithole.spark.session import resolve_options
    from rabbithole.windows.build import build_windows

    build_windows(**settings, sessions=sessions, output=output, spark=resolve_options(spark))


@app.command()
def check(events: File, sessions: File, windows: File, output: File) -> None:
    """Check what was made of a log for leaks into train."""
    from rabbithole.checks.leak_checks import check

    check(events=events, sessions=sessions, windows=windows, output=output)


@app.command()
def oracle(settings: Json, sessions: File, raw: File, output: File) -> None:
    """Score sessions of a simulated log as well as its parameters allow."""
    from rabbithole.simulator.oracle import score_oracle

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
def next_event(settings: Json, checkpoints: Json, windows: File, output: File, threads: Threads = 1) -> None:
    """Judge how well a trained network, or several together, foretell the next event."""
    use_threads(threads)
    from rabbithole.evaluation.next_event_networks import evaluate_networks

    paths = [Path(path) for path in checkpoints]
    evaluate_networks(**settings, checkpoints=paths, windows=windows, output=output)


@app.command()
def next_event_baselines(settings: Json, windows: File, most_frequent: File, markov: File) -> None:
    """Judge how well counts of train foretell the next event."""
    from rabbithole.evaluation.next_event_baselines import evaluate_baselines

    evaluate_baselines(**settings, windows=windows, most_frequent=most_frequent, markov=markov)


@app.command()
def next_event_oracle(settings: Json, sessions: File, raw: File, windows: File, output: File) -> None:
    """Judge how well the next event of a simulated log could be foretold."""
    from rabbithole.evaluation.next_event_oracle import evaluate_oracle

    parameters = raw / "parameters.json"
    evaluate_oracle(**settings, sessions=sessions, parameters=parameters, windows=windows, output=output)


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
def compare_models(scores: Json, output: File) -> None:
    """Test the models of one data set against each other."""
    from rabbithole.evaluation.compare_models import compare_models

    compare_models(scores={name: Path(path) for name, path in scores.items()}, output=output)
