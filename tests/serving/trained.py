"""Trains models on a small log and packages them, for tests of what packaged models answer."""

from collections.abc import Sequence
from pathlib import Path

import factories
from factories import train_spec

from rabbithole.evaluation.blend_models import blend
from rabbithole.evaluation.evaluate import evaluate
from rabbithole.evaluation.score_sessions import score
from rabbithole.serving.package import package_model
from rabbithole.specs.data import EventsSpec, SessionsSpec, SparkOptions, WindowsSpec
from rabbithole.specs.evaluation import EvaluateSpec
from rabbithole.specs.serving import PackageModelSpec
from rabbithole.specs.training import BlendSpec, ResumeOptions, ScoreSpec
from rabbithole.training.train import train


def train_and_package(
    folder: Path,
    spark: SparkOptions,
    *,
    events: EventsSpec,
    sessions: SessionsSpec,
    windows: WindowsSpec,
    models: Sequence[str],
) -> None:
    """Run a log's steps up to the model folder of each model, `packaged-MODEL`; a blend is of all others."""
    factories.build(folder, spark, events=events, sessions=sessions, windows=windows)
    for model in models:
        place = folder / model
        place.mkdir()
        outputs = {"output": place / "checkpoint", "history": place / "history.json"}
        if model == "blend":
            members = {name: folder / name / "checkpoint" for name in models if name != "blend"}
            spec = BlendSpec(model=model, settings={})
            blend(spec, members=members, windows=folder / "windows", **outputs)
        else:
            resume = ResumeOptions(folder=str(place / "resume"), minutes=5.0)
            train(train_spec(model), windows=folder / "windows", code="", resume=resume, **outputs)
        scores, name, checkpoint = place / "scores.parquet", f"{model}/seed-0", place / "checkpoint"
        score(ScoreSpec(steps=(1, 2)), checkpoint=checkpoint, windows=folder / "windows", output=scores)
        evaluate(
            EvaluateSpec(contact_cost=1.0, sale_worth=20.0), scores=scores, output=place / "metrics.json"
        )
        package_model(
            PackageModelSpec(
                dataset="shop",
                model=None,
                seed=None,
                events=events.model_copy(update={"source": ""}),
                sessions=sessions,
                contact_cost=1.0,
                sale_worth=20.0,
            ),
            checkpoints={name: place / "checkpoint"},
            scores={name: scores},
            metrics={name: place / "metrics.json"},
            events=folder / "events",
            sessions=folder / "sessions",
            windows=folder / "windows",
            output=folder / f"packaged-{model}",
        )
