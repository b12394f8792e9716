"""Figures, the page, and what is measured on demand."""

from pathlib import Path
from typing import Any

from rabbithole.cli.app import File, Json, Threads, app, use_threads


def as_paths(told: Any) -> Any:
    """Return what JSON told, however deep, with a path in the place of each text."""
    return {name: as_paths(one) for name, one in told.items()} if isinstance(told, dict) else Path(told)


@app.command()
def figure(name: str, sources: Json, style: Json, output: File) -> None:
    """Draw one figure of the report."""
    from importlib import import_module

    draw = getattr(import_module(f"rabbithole.report.{name}"), name)
    draw(**as_paths(sources), style=style, output=output)


@app.command()
def page(sources: Json, benchmarks: File, output: File, summary: File) -> None:
    """Write the report: one self-contained page, and its headline figures as text."""
    import yaml

    from rabbithole.report.page import page
    from rabbithole.workflow.code_digest import pinned_versions

    settings = yaml.safe_dump(sources.pop("settings"), sort_keys=False)
    made = {"settings": settings, "versions": pinned_versions(), "benchmarks": benchmarks}
    page(**sources, made=made, output=output, summary=summary)


@app.command()
def probe(settings: Json, windows: File, output: File, threads: Threads = 1) -> None:
    """Hunt for leaks: train briefly on parts of the data."""
    use_threads(threads)
    from rabbithole.studies.leak_probe import probe_leaks

    probe_leaks(**settings, windows=windows, output=output)


@app.command()
def probe_leaks(audits: Json, output: File) -> None:
    """Write what the hunt for leaks found as tables, and print it."""
    from rabbithole.studies.leak_report import leak_tables

    leak_tables(audits=as_paths(audits), output=output)
    print(output.read_text("utf-8"))


@app.command()
def run_ablation(
    settings: Json, windows: File, output: File, oracle: Path | None = None, threads: Threads = 1
) -> None:
    """Train a network in several ways, to compare them."""
    use_threads(threads)
    from rabbithole.studies.ablation import run_ablation

    run_ablation(**settings, windows=windows, oracle=oracle, output=output)


@app.command()
def compare(trials: Json, output: File) -> None:
    """Write how the ways to train compare as tables, and print it."""
    from rabbithole.studies.ablation_report import ablation_tables

    ablation_tables(trials=as_paths(trials), output=output)
    print(output.read_text("utf-8"))


@app.command()
def limit(datasets: Json, output: File) -> None:
    """Write how near the models come to the best possible score as a table, and print it."""
    from rabbithole.studies.oracle_gap import oracle_gap_tables

    oracle_gap_tables(datasets=as_paths(datasets), output=output)
    print(output.read_text("utf-8"))
