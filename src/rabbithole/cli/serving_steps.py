"""Steps that package a trained model, score further logs with it, and watch it."""

from pathlib import Path
from typing import Annotated, Any

from rabbithole.cli.app import (
    MODELS,
    Events,
    Named,
    OutputFile,
    OutputFolder,
    Sessions,
    Spark,
    Threads,
    WindowsFolder,
    file_option,
    json_option,
    paths,
    spec_option,
    step,
    use_threads,
)
from rabbithole.specs.serving import PackageModelSpec, PredictSpec


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
