"""Steps that train, score, evaluate and explain the purchase models, package them and put them to work.

Each command imports its step when it runs, so that no step pays for the libraries of another.
"""

from pathlib import Path
from typing import Annotated, Any

from rabbithole.cli.app import (
    EVALUATION,
    MODELS,
    CartsFile,
    Checkpoint,
    Code,
    Events,
    HistoryFile,
    ModelFile,
    Named,
    OutputFile,
    OutputFolder,
    Raw,
    Resume,
    Sessions,
    Spark,
    Storage,
    Threads,
    WindowsFolder,
    data_option,
    file_option,
    json_option,
    paths,
    spec_option,
    step,
    store,
    use_threads,
)
from rabbithole.specs.data import OracleSpec
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.serving import PackageModelSpec, PredictSpec
from rabbithole.specs.training import BlendSpec, ExplainSpec, ScoreSpec, TrainSpec


@step.command(rich_help_panel=MODELS)
def train(
    spec: Annotated[TrainSpec, spec_option(TrainSpec)],
    resume: Resume,
    code: Code,
    windows: WindowsFolder,
    output: OutputFolder,
    history: HistoryFile,
    model_file: ModelFile = None,
    threads: Threads = 1,
) -> None:
    """Train one model on one data set."""
    use_threads(threads, trains=True)
    from rabbithole.training.train import train

    train(spec, windows=windows, output=output, history=history, code=code, resume=resume, file=model_file)


@step.command(rich_help_panel=MODELS)
def blend(
    spec: Annotated[BlendSpec, spec_option(BlendSpec)],
    members: Annotated[Named, json_option(Named, "Trained models by name, as JSON.")],
    windows: WindowsFolder,
    output: OutputFolder,
    history: HistoryFile,
    threads: Threads = 1,
) -> None:
    """Combine the trained models of one data set."""
    use_threads(threads)
    from rabbithole.evaluation.blend_models import blend

    blend(spec, members=paths(members), windows=windows, output=output, history=history)


@step.command(rich_help_panel=MODELS)
def score(
    spec: Annotated[ScoreSpec, spec_option(ScoreSpec)],
    checkpoint: Checkpoint,
    windows: WindowsFolder,
    output: OutputFile,
    carts: CartsFile,
    sessions: Annotated[
        Path | None, data_option("Folder of sessions, where a visitor has several.", "SessionsManifest")
    ] = None,
    threads: Threads = 1,
    storage: Storage = None,
) -> None:
    """Score the valid and test sessions with a trained model."""
    use_threads(threads)
    from rabbithole.evaluation.score_sessions import score

    score(spec, checkpoint=checkpoint, windows=windows, output=output, carts=carts, sessions=sessions)
    store(storage, output, carts)


@step.command(rich_help_panel=EVALUATION)
def join_folds(
    scores: Annotated[Any, json_option(list[str], "Scores of each fold, as a JSON list.")],
    sessions: Sessions,
    output: OutputFile,
    storage: Storage = None,
) -> None:
    """Join the scores of all folds of a data set."""
    from rabbithole.evaluation.join_folds import join_folds

    join_folds(scores=[Path(path) for path in scores], sessions=sessions, output=output)
    store(storage, output)


@step.command(rich_help_panel=EVALUATION)
def ensemble(
    scores: Annotated[Any, json_option(list[str], "Scores of each seed, as a JSON list.")],
    cart_scores: Annotated[
        Any, json_option(list[str], "Scores of each seed at the first add-to-cart, as a JSON list.")
    ],
    output: OutputFile,
    carts: CartsFile,
    storage: Storage = None,
) -> None:
    """Average the scores of a model's seeds."""
    from rabbithole.evaluation.ensemble import ensemble

    ensemble(scores=[Path(path) for path in scores], output=output)
    ensemble(scores=[Path(path) for path in cart_scores], output=carts)
    store(storage, output, carts)


@step.command(rich_help_panel=EVALUATION)
def evaluate(
    spec: Annotated[EvaluateSpec, spec_option(EvaluateSpec)],
    scores: Annotated[Path, file_option("scores.parquet of a run.")],
    output: OutputFile,
    carts: Annotated[Path | None, file_option("Scores at the first add-to-cart, if any.")] = None,
) -> None:
    """Evaluate the scores of one run on test."""
    from rabbithole.evaluation.evaluate import evaluate

    evaluate(spec, scores=scores, carts=carts, output=output)


@step.command(rich_help_panel=EVALUATION)
def explain(
    spec: Annotated[ExplainSpec, spec_option(ExplainSpec)],
    checkpoint: Checkpoint,
    history: HistoryFile,
    windows: WindowsFolder,
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Measure which fields and steps a trained model uses, and follow single sessions step by step."""
    use_threads(threads)
    from rabbithole.evaluation.explain import explain

    explain(spec, checkpoint=checkpoint, history=history, windows=windows, output=output)


@step.command(rich_help_panel=EVALUATION)
def compare_models(
    scores: Annotated[Named, json_option(Named, "Scores by run, as JSON.")], output: OutputFile
) -> None:
    """Test the runs of a data set against each other."""
    from rabbithole.evaluation.compare_models import compare_models

    compare_models(scores=paths(scores), output=output)


@step.command(rich_help_panel=EVALUATION)
def next_event(
    spec: Annotated[ScoreSpec, spec_option(ScoreSpec)],
    checkpoints: Annotated[Any, json_option(list[str], "Trained models, as a JSON list.")],
    windows: WindowsFolder,
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Evaluate the next-event predictions of a network, or of several together."""
    use_threads(threads)
    from rabbithole.evaluation.next_event_networks import evaluate_networks

    evaluate_networks(spec, checkpoints=[Path(path) for path in checkpoints], windows=windows, output=output)


@step.command(rich_help_panel=EVALUATION)
def next_event_baselines(
    spec: Annotated[ScoreSpec, spec_option(ScoreSpec)],
    windows: WindowsFolder,
    most_frequent: Annotated[Path, file_option("File for the metrics of the most frequent class.")],
    markov: Annotated[Path, file_option("File for the metrics of the Markov chain.")],
) -> None:
    """Evaluate next-event predictions that count train's events."""
    from rabbithole.evaluation.next_event_baselines import evaluate_baselines

    evaluate_baselines(spec, windows=windows, most_frequent=most_frequent, markov=markov)


@step.command(rich_help_panel=EVALUATION)
def next_event_oracle(
    spec: Annotated[OracleSpec, spec_option(OracleSpec)],
    sessions: Sessions,
    raw: Raw,
    windows: WindowsFolder,
    output: OutputFile,
) -> None:
    """Evaluate the best possible next-event predictions of a simulated log."""
    from rabbithole.evaluation.next_event_oracle import evaluate_oracle

    parameters = raw / "parameters.json"
    evaluate_oracle(spec, sessions=sessions, parameters=parameters, windows=windows, output=output)


@step.command(rich_help_panel=MODELS)
def package_model(
    spec: Annotated[PackageModelSpec, spec_option(PackageModelSpec)],
    checkpoints: Annotated[Named, json_option(Named, "Checkpoints by run, as JSON.")],
    scores: Annotated[Named, json_option(Named, "Scores by run, as JSON.")],
    metrics: Annotated[Named, json_option(Named, "Metrics by run, as JSON.")],
    events: Events,
    sessions: Sessions,
    windows: WindowsFolder,
    output: OutputFolder,
    pooled: Annotated[
        Named | None, json_option(Named, "Metrics by run over all folds, as JSON: the choice is by these.")
    ] = None,
) -> None:
    """Package the best model of a data set: one folder that scores new logs."""
    from rabbithole.serving.package import package_model

    package_model(
        spec,
        checkpoints=paths(checkpoints),
        scores=paths(scores),
        metrics=paths(metrics),
        events=events,
        sessions=sessions,
        windows=windows,
        output=output,
        pooled=None if pooled is None else paths(pooled),
    )


@step.command("predict", rich_help_panel=MODELS)
def predict_step(
    spec: Annotated[PredictSpec, spec_option(PredictSpec)],
    spark: Spark,
    model: Annotated[Path, file_option("Model folder.")],
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Score a raw log with a packaged model."""
    use_threads(threads)
    from rabbithole.serving.predict import predict_log

    predict_log(spec, model=model, spark=spark, output=output)


@step.command("monitor", rich_help_panel=MODELS)
def monitor_step(
    spec: Annotated[PredictSpec, spec_option(PredictSpec)],
    spark: Spark,
    model: Annotated[Path, file_option("Model folder.")],
    scores: Annotated[Any, json_option(list[str], "Files of earlier scores, as a JSON list.")],
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Write a page on a packaged model and a later log, with its purchases."""
    use_threads(threads)
    from rabbithole.serving.monitor_page import monitor_log

    monitor_log(spec, model=model, scores=list(map(Path, scores)), spark=spark, output=output)
