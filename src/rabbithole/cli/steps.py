"""The steps of the workflow, one command per rule: parse the arguments, call one function.

Each command imports its step when it runs, so that no step pays for the libraries of another.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from rabbithole.cli.app import paths, step, use_threads
from rabbithole.registry import load_module
from rabbithole.specs.base import Spec
from rabbithole.specs.data import EventsSpec, OracleSpec, SessionsSpec, SimulateSpec, WindowsSpec
from rabbithole.specs.evaluation import AblationSpec, EvaluateSpec, LeakProbeSpec, OracleGapSources
from rabbithole.specs.report import FigureStyle, PageSpec
from rabbithole.specs.spark import SparkOptions
from rabbithole.specs.text import BookSpec, SampleTextSpec, TrainTextSpec
from rabbithole.specs.training import ExplainSpec, ResumeOptions, ScoreSpec, TrainSpec


def _spec(kind: type[Spec], text: str = "What the step reads of the settings, as JSON.") -> Any:
    return typer.Option(parser=kind.parse, metavar="JSON", help=text)


def _json(kind: Any, text: str) -> Any:
    return typer.Option(parser=TypeAdapter(kind).validate_json, metavar="JSON", help=text)


def _file(text: str) -> Any:
    return typer.Option(help=text)


def _shared(text: str) -> Any:
    # Spark's workers on other nodes run in folders of their own.
    return typer.Option(help=text, resolve_path=True)


Named = dict[str, str]
Spark = Annotated[SparkOptions, _spec(SparkOptions, "Where and how large Spark runs, as JSON.")]
Resume = Annotated[ResumeOptions, _spec(ResumeOptions, "Where and how often the state is saved, as JSON.")]
Code = Annotated[str, typer.Option(help="Digest of the code; a saved state counts only for the same code.")]
Threads = Annotated[int, typer.Option(min=1, help="Cores to use.")]
Events = Annotated[Path, _shared("Folder of events.")]
Sessions = Annotated[Path, _shared("Folder of sessions.")]
WindowsFolder = Annotated[Path, _file("Folder of windows.")]
Raw = Annotated[Path, _file("Folder of the simulated log.")]
Checkpoint = Annotated[Path, _file("Folder of the trained model.")]
HistoryFile = Annotated[Path, _file("history.json of the training.")]
Output = Annotated[Path, _file("File or folder to write.")]
SharedOutput = Annotated[Path, _shared("Folder to write.")]
Text = Annotated[Path, _file("The book.")]


@step.command()
def simulate(spec: Annotated[SimulateSpec, _spec(SimulateSpec)], output: Output) -> None:
    """Simulate a raw log, with its parameters and the true labels."""
    from rabbithole.simulator.write import simulate

    simulate(spec, output=output)


@step.command()
def events(
    spec: Annotated[EventsSpec, _spec(EventsSpec)],
    spark: Spark,
    output: SharedOutput,
    rejected: Annotated[Path, _shared("Folder for the rejected lines.")],
) -> None:
    """Read a raw log into events; set aside the lines that cannot be read."""
    from rabbithole.ingest.build import build_events
    from rabbithole.spark.session import resolve_options

    build_events(spec, output=output, rejected=rejected, spark=resolve_options(spark))


@step.command()
def sessions(
    spec: Annotated[SessionsSpec, _spec(SessionsSpec)], spark: Spark, events: Events, output: SharedOutput
) -> None:
    """Build sessions from events: labelled, cut before the first purchase, and split."""
    from rabbithole.sessions.build import build_sessions
    from rabbithole.spark.session import resolve_options

    build_sessions(spec, events=events, output=output, spark=resolve_options(spark))


@step.command()
def windows(
    spec: Annotated[WindowsSpec, _spec(WindowsSpec)], spark: Spark, sessions: Sessions, output: SharedOutput
) -> None:
    """Fit the encoder on train and write the last steps of each session as codes and numbers."""
    from rabbithole.spark.session import resolve_options
    from rabbithole.windows.build import build_windows

    build_windows(spec, sessions=sessions, output=output, spark=resolve_options(spark))


@step.command()
def check_leaks(events: Events, sessions: Sessions, windows: WindowsFolder, output: Output) -> None:
    """Check events, sessions and windows for leaks."""
    from rabbithole.checks.leak_checks import check_leaks

    check_leaks(events=events, sessions=sessions, windows=windows, output=output)


@step.command()
def oracle(
    spec: Annotated[OracleSpec, _spec(OracleSpec)], sessions: Sessions, raw: Raw, output: Output
) -> None:
    """Score the sessions of a simulated log as well as its parameters allow."""
    from rabbithole.simulator.oracle import score_oracle

    score_oracle(spec, sessions=sessions, parameters=raw / "parameters.json", output=output)


@step.command()
def train(
    spec: Annotated[TrainSpec, _spec(TrainSpec)],
    resume: Resume,
    code: Code,
    windows: WindowsFolder,
    output: Output,
    history: HistoryFile,
    threads: Threads = 1,
) -> None:
    """Train one model on one data set."""
    use_threads(threads)
    from rabbithole.training.train import train

    train(spec, windows=windows, output=output, history=history, code=code, resume=resume)


@step.command()
def score(
    spec: Annotated[ScoreSpec, _spec(ScoreSpec)],
    checkpoint: Checkpoint,
    windows: WindowsFolder,
    output: Output,
    threads: Threads = 1,
) -> None:
    """Score the valid and test sessions with a trained model."""
    use_threads(threads)
    from rabbithole.training.score import score

    score(spec, checkpoint=checkpoint, windows=windows, output=output)


@step.command()
def next_event(
    spec: Annotated[ScoreSpec, _spec(ScoreSpec)],
    checkpoints: Annotated[Any, _json(list[str], "Trained models, as a JSON list.")],
    windows: WindowsFolder,
    output: Output,
    threads: Threads = 1,
) -> None:
    """Evaluate the next-event predictions of a network, or of several together."""
    use_threads(threads)
    from rabbithole.evaluation.next_event_networks import evaluate_networks

    evaluate_networks(spec, checkpoints=[Path(path) for path in checkpoints], windows=windows, output=output)


@step.command()
def next_event_baselines(
    spec: Annotated[ScoreSpec, _spec(ScoreSpec)],
    windows: WindowsFolder,
    most_frequent: Annotated[Path, _file("File for the metrics of the most frequent class.")],
    markov: Annotated[Path, _file("File for the metrics of the Markov chain.")],
) -> None:
    """Evaluate next-event predictions that count train's events."""
    from rabbithole.evaluation.next_event_baselines import evaluate_baselines

    evaluate_baselines(spec, windows=windows, most_frequent=most_frequent, markov=markov)


@step.command()
def next_event_oracle(
    spec: Annotated[OracleSpec, _spec(OracleSpec)],
    sessions: Sessions,
    raw: Raw,
    windows: WindowsFolder,
    output: Output,
) -> None:
    """Evaluate the best possible next-event predictions of a simulated log."""
    from rabbithole.evaluation.next_event_oracle import evaluate_oracle

    parameters = raw / "parameters.json"
    evaluate_oracle(spec, sessions=sessions, parameters=parameters, windows=windows, output=output)


@step.command()
def ensemble(
    scores: Annotated[Any, _json(list[str], "Scores of each seed, as a JSON list.")], output: Output
) -> None:
    """Average the scores of a model's seeds."""
    from rabbithole.evaluation.ensemble import ensemble

    ensemble(scores=[Path(path) for path in scores], output=output)


@step.command()
def evaluate(
    spec: Annotated[EvaluateSpec, _spec(EvaluateSpec)],
    scores: Annotated[Path, _file("scores.parquet of a run.")],
    output: Output,
) -> None:
    """Evaluate the scores of one run on test."""
    from rabbithole.evaluation.evaluate import evaluate

    evaluate(spec, scores=scores, output=output)


@step.command()
def explain(
    spec: Annotated[ExplainSpec, _spec(ExplainSpec)],
    checkpoint: Checkpoint,
    history: HistoryFile,
    windows: WindowsFolder,
    output: Output,
    threads: Threads = 1,
) -> None:
    """Measure which fields and steps a trained model uses, and follow single sessions step by step."""
    use_threads(threads)
    from rabbithole.evaluation.explain import explain

    explain(spec, checkpoint=checkpoint, history=history, windows=windows, output=output)


@step.command()
def compare_models(scores: Annotated[Named, _json(Named, "Scores by run, as JSON.")], output: Output) -> None:
    """Test the runs of a data set against each other."""
    from rabbithole.evaluation.compare_models import compare_models

    compare_models(scores=paths(scores), output=output)


@step.command()
def book(spec: Annotated[BookSpec, _spec(BookSpec)], output: Output) -> None:
    """Fetch the text of Alice's Adventures in Wonderland and check it."""
    from rabbithole.text.fetch import fetch

    fetch(spec, output=output)


@step.command()
def train_text(
    spec: Annotated[TrainTextSpec, _spec(TrainTextSpec)],
    resume: Resume,
    code: Code,
    text: Text,
    output: Output,
    history: HistoryFile,
    metrics: Annotated[Path, _file("File for the metrics.")],
    threads: Threads = 1,
) -> None:
    """Train one text model on the book."""
    use_threads(threads)
    from rabbithole.text.train import train_text

    train_text(spec, text=text, output=output, history=history, metrics=metrics, code=code, resume=resume)


@step.command()
def sample_text(
    spec: Annotated[SampleTextSpec, _spec(SampleTextSpec)],
    checkpoint: Checkpoint,
    text: Text,
    output: Output,
    threads: Threads = 1,
) -> None:
    """Sample text from a trained text model."""
    use_threads(threads)
    from rabbithole.text.sample import sample_text

    sample_text(spec, checkpoint=checkpoint, text=text, output=output)


@step.command()
def figure(
    name: Annotated[str, typer.Argument(help="Name of the figure.")],
    sources: Annotated[
        dict[str, str | Named], _json(dict[str, str | Named], "Files that the figure shows, as JSON.")
    ],
    style: Annotated[FigureStyle, _spec(FigureStyle, "Width and font size, as JSON.")],
    output: Output,
) -> None:
    """Draw one figure of the report."""
    draw = getattr(load_module("figure", name), name)
    arguments = {
        argument: Path(source) if isinstance(source, str) else paths(source)
        for argument, source in sources.items()
    }
    draw(**arguments, style=style, output=output)


@step.command()
def page(
    spec: Annotated[PageSpec, _spec(PageSpec, "Files and settings that the page shows, as JSON.")],
    benchmarks: Annotated[Path, _file("Folder of Snakemake's benchmark files.")],
    output: Output,
    summary: Annotated[Path, _file("File for the headline figures as text.")],
) -> None:
    """Write the report, one self-contained page, and its headline figures as text."""
    from rabbithole.report.page import page
    from rabbithole.workflow.pins import pinned_versions

    page(spec, benchmarks=benchmarks, versions=pinned_versions(), output=output, summary=summary)


@step.command()
def leak_probe(
    spec: Annotated[LeakProbeSpec, _spec(LeakProbeSpec)],
    windows: WindowsFolder,
    output: Output,
    threads: Threads = 1,
) -> None:
    """Probe for leaks: train briefly on parts of the data."""
    use_threads(threads)
    from rabbithole.studies.leak_probe import probe_leaks

    probe_leaks(spec, windows=windows, output=output)


@step.command()
def leak_report(
    probes: Annotated[Named, _json(Named, "Leak probes by data set, as JSON.")], output: Output
) -> None:
    """Write the results of the leak probes as tables, and print them."""
    from rabbithole.studies.leak_report import leak_tables

    leak_tables(probes=paths(probes), output=output)
    print(output.read_text("utf-8"))


@step.command()
def ablation(
    spec: Annotated[AblationSpec, _spec(AblationSpec)],
    windows: WindowsFolder,
    output: Output,
    oracle: Annotated[Path | None, _file("scores.parquet of the oracle, if there is one.")] = None,
    threads: Threads = 1,
) -> None:
    """Train a network with each balance and augmentation."""
    use_threads(threads)
    from rabbithole.studies.ablation import run_ablation

    run_ablation(spec, windows=windows, oracle=oracle, output=output)


@step.command()
def ablation_report(
    ablations: Annotated[
        dict[str, Named], _json(dict[str, Named], "Ablations by data set and network, as JSON.")
    ],
    output: Output,
) -> None:
    """Write the results of the ablations as tables, and print them."""
    from rabbithole.studies.ablation_report import ablation_tables

    ablation_tables(ablations={name: paths(files) for name, files in ablations.items()}, output=output)
    print(output.read_text("utf-8"))


@step.command()
def oracle_gap(
    datasets: Annotated[
        dict[str, OracleGapSources],
        _json(dict[str, OracleGapSources], "Files by data set, as JSON."),
    ],
    output: Output,
) -> None:
    """Write the distance of each model to the oracle as a table, and print it."""
    from rabbithole.studies.oracle_gap import oracle_gap_tables

    oracle_gap_tables(datasets=datasets, output=output)
    print(output.read_text("utf-8"))
