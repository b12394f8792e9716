"""Commands for people that put a trained model to work."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from rabbithole.cli.app import WORK, app, use_threads
from rabbithole.errors import UserError
from rabbithole.machine import core_count
from rabbithole.specs.data import SparkOptions

Model = Annotated[Path, typer.Argument(help="Model folder, such as results/shop/model.")]
Cores = Annotated[int | None, typer.Option(min=1, help="Cores to use (default: all).")]
SparkMemory = Annotated[int, typer.Option(min=1000, help="Memory for Spark, in MB.")]
MaxRejected = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Fraction of lines that may be unreadable (default: as for the model)."),
]


@app.command(rich_help_panel=WORK)
def predict(
    model: Model,
    log: Annotated[list[str], typer.Argument(help="The log: its folder, its files, or ROLE=FILE.")],
    output: Annotated[str, typer.Option("--output", "-o", help="scores.parquet, scores.csv, or - (CSV).")],
    top: Annotated[str | None, typer.Option(help="Audience: this share of the highest scores (5%).")] = None,
    budget: Annotated[
        float | None, typer.Option(help="Audience: the highest scores that this budget pays for.")
    ] = None,
    worth: Annotated[
        float | None, typer.Option(help="Audience: all sessions worth a contact, at this worth of a sale.")
    ] = None,
    cost: Annotated[float | None, typer.Option(help="Cost of one contact (default: the model's).")] = None,
    hold_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the audience to hold out, at random.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the held-out draw.")] = 0,
    max_rejected: MaxRejected = None,
    threads: Cores = None,
    memory_mb: SparkMemory = 4096,
) -> None:
    """Score the sessions of a raw log with a trained model; one row per session."""
    cores = _cores(threads)
    use_threads(cores)
    from rabbithole.serving.audience import parse_audience
    from rabbithole.serving.folder import load_folder
    from rabbithole.serving.predict import predict
    from rabbithole.serving.terminal import log_source, print_summary, require_apart

    folder = load_folder(model)
    audience = parse_audience(
        top=top,
        budget=budget,
        worth=worth,
        cost=cost,
        default_cost=folder.manifest.contact_cost,
        hold_out=hold_out,
        seed=seed,
    )
    source = log_source(folder.manifest.events, log)
    if output != "-":
        require_apart(Path(output), folder, source)
    summary = predict(
        folder,
        source,
        spark=SparkOptions(threads=cores, memory_mb=memory_mb),
        output=None if output == "-" else Path(output),
        audience=audience,
        max_rejected=max_rejected,
    )
    print_summary(summary, output)


@app.command(rich_help_panel=WORK)
def package(
    dataset: Annotated[Path, typer.Argument(help="Results of a data set, such as results/shop.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
    model: Annotated[str | None, typer.Option(help="Model (default: the best on valid).")] = None,
    seed: Annotated[int | None, typer.Option(help="Its training seed (default: the best on valid).")] = None,
) -> None:
    """Package a trained model of your choice: a run packages the best one itself."""
    from rabbithole.serving.package import package_chosen

    made = package_chosen(dataset, model=model, seed=seed, output=output)
    typer.echo(f"{output} holds {made.model}, seed {made.seed}. {output / 'CARD.md'} describes it.")


@app.command(rich_help_panel=WORK)
def stream(
    model: Model,
    max_sessions: Annotated[int, typer.Option(min=1, help="Sessions held in memory.")] = 1_000_000,
) -> None:
    """Read events as JSON lines from the standard input; answer each with the probability of a purchase."""
    _answer_at_once()
    from rabbithole.serving.folder import load_folder
    from rabbithole.serving.pipe import pipe
    from rabbithole.serving.stream import SessionStream

    pipe(SessionStream(load_folder(model), max_sessions=max_sessions))


@app.command(rich_help_panel=WORK)
def serve(
    models: Annotated[list[str], typer.Argument(help="Model folders, as PATH or NAME=PATH.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    max_body: Annotated[int, typer.Option(min=1000, help="Bytes of a request.")] = 1_000_000,
    max_rate: Annotated[float | None, typer.Option(min=1, help="Requests per second.")] = None,
    max_sessions: Annotated[int, typer.Option(min=1, help="Sessions held per model.")] = 1_000_000,
) -> None:
    """Serve models over HTTP: events of running sessions, whole sessions, metrics; /docs explains it."""
    _answer_at_once()
    try:
        from rabbithole.serving.guard import Limits
        from rabbithole.serving.server import serve
    except ModuleNotFoundError as error:
        raise UserError(
            f"`rabbithole serve` needs {error.name}: install the extra, `pip install 'rabbithole[serve]'`."
        ) from error
    from rabbithole.serving.terminal import named_models

    limits = Limits(body_bytes=max_body, requests_per_second=max_rate, sessions=max_sessions)
    serve(named_models(models), limits, host=host, port=port)


@app.command(rich_help_panel=WORK)
def export(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    format: Annotated[Literal["onnx", "stablehlo"], typer.Option(help="What to write.")] = "onnx",
) -> None:
    """Write a network, trees or a logistic regression for other programs, with the encoder as JSON."""
    use_threads(1)
    from rabbithole.serving.export import export
    from rabbithole.serving.folder import load_folder

    export(load_folder(model), format, output)
    print(f"Wrote {output}.")


@app.command(rich_help_panel=WORK)
def monitor(
    model: Model,
    log: Annotated[list[str], typer.Option(help="The later log, with its purchases; as for predict.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write, such as page.html.")],
    scores: Annotated[
        list[Path] | None, typer.Option(help="Earlier scores; none: the log is scored now.")
    ] = None,
    max_rejected: MaxRejected = None,
    threads: Cores = None,
    memory_mb: SparkMemory = 4096,
) -> None:
    """Compare a model's scores with what the sessions led to, and say: fine, recalibrate or retrain."""
    cores = _cores(threads)
    use_threads(cores)
    from rabbithole.serving.folder import load_folder
    from rabbithole.serving.monitor import monitor
    from rabbithole.serving.monitor_page import HEADLINES, write_page
    from rabbithole.serving.tables import require_no_folder
    from rabbithole.serving.terminal import log_source, require_apart

    require_no_folder(output)
    folder = load_folder(model)
    source = log_source(folder.manifest.events, log)
    require_apart(output, folder, source, scores or [])
    spark = SparkOptions(threads=cores, memory_mb=memory_mb)
    report = monitor(folder, source, scores=scores or [], spark=spark, max_rejected=max_rejected)
    write_page(report, output)
    warnings = [f"Warning: {warning}" for warning in report.warnings]
    print("\n".join([HEADLINES[report.verdict], *report.reasons, *warnings, f"The page: {output}"]))


@app.command(rich_help_panel=WORK)
def recalibrate(
    model: Model,
    scores: Annotated[Path, typer.Argument(help="Its scores of a later log with purchases (Parquet).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
) -> None:
    """Fit a model's calibration on later outcomes; the ranking of sessions stays."""
    from rabbithole.serving.folder import load_folder
    from rabbithole.serving.recalibrate import recalibrate

    slope, intercept = recalibrate(load_folder(model), scores, output)
    print(f"Log odds are now {slope:.3f} times the former ones, plus {intercept:.3f}. Wrote {output}.")


@app.command(rich_help_panel=WORK)
def promote(
    candidate: Annotated[Path, typer.Argument(help="New model folder.")],
    present: Annotated[Path, typer.Argument(help="Model folder in use, which it may replace.")],
    log: Annotated[list[str], typer.Option(help="The newest log, with its purchases; as for predict.")],
    max_rejected: MaxRejected = None,
    threads: Cores = None,
    memory_mb: SparkMemory = 4096,
) -> None:
    """Put a new model in the place of the one in use, unless a paired test says that it is worse."""
    cores = _cores(threads)
    use_threads(cores)
    from rabbithole.io.scratch import scratch_folder
    from rabbithole.serving.folder import load_folder
    from rabbithole.serving.predict import predict
    from rabbithole.serving.recalibrate import comparison, promote
    from rabbithole.serving.tables import require_writable
    from rabbithole.serving.terminal import log_source

    require_writable(present)
    with scratch_folder("promote") as scratch:
        files = {}
        for role, path in (("candidate", candidate), ("present", present)):
            folder, files[role] = load_folder(path), scratch / f"{role}.parquet"
            source = log_source(folder.manifest.events, log)
            spark = SparkOptions(threads=cores, memory_mb=memory_mb)
            predict(folder, source, spark=spark, output=files[role], max_rejected=max_rejected)
        test = promote(candidate, present, files)
    print(f"{comparison(test)} {present} is now the new model.")


def _answer_at_once() -> None:
    """Compute in the thread that asks: JAX's own thread would be woken for each event."""
    use_threads(1)
    os.environ.setdefault("JAX_CPU_ENABLE_ASYNC_DISPATCH", "0")


def _cores(threads: int | None) -> int:
    """Return the cores to use: all that this process may use, unless the user says otherwise."""
    return core_count() if threads is None else threads
