"""Steps that draw figures, write the page, and run the studies.

Each command imports its step when it runs, so that no step pays for the libraries of another.
"""

from pathlib import Path
from typing import Annotated

import typer

from rabbithole.cli.app import (
    REPORT,
    STUDIES,
    ModelFile,
    Named,
    OutputFile,
    Threads,
    WindowsFolder,
    file_option,
    json_option,
    paths,
    spec_option,
    step,
    use_threads,
)
from rabbithole.registry import load_module
from rabbithole.specs.evaluation import AblationSpec, LeakProbeSpec, OracleGapSources
from rabbithole.specs.report import FigureStyle, PageSpec


@step.command(rich_help_panel=REPORT)
def figure(
    name: Annotated[str, typer.Argument(help="Name of the figure.")],
    sources: Annotated[
        dict[str, str | Named], json_option(dict[str, str | Named], "Files that the figure shows, as JSON.")
    ],
    style: Annotated[FigureStyle, spec_option(FigureStyle, "Width and font size, as JSON.")],
    output: OutputFile,
) -> None:
    """Draw one figure of the report."""
    draw = getattr(load_module("figure", name), name)
    arguments = {
        argument: Path(source) if isinstance(source, str) else paths(source)
        for argument, source in sources.items()
    }
    draw(**arguments, style=style, output=output)


@step.command(rich_help_panel=REPORT)
def page(
    spec: Annotated[PageSpec, spec_option(PageSpec, "Files and settings that the page shows, as JSON.")],
    benchmarks: Annotated[Path, file_option("Folder of Snakemake's benchmark files.")],
    output: OutputFile,
    summary: Annotated[Path, file_option("File for the headline figures as text.")],
) -> None:
    """Write the report, one self-contained page, and its headline figures as text."""
    from rabbithole.report.page import page
    from rabbithole.workflow.pins import versions_in_use

    page(spec, benchmarks=benchmarks, versions=versions_in_use(), output=output, summary=summary)


@step.command(rich_help_panel=STUDIES)
def leak_probe(
    spec: Annotated[LeakProbeSpec, spec_option(LeakProbeSpec)],
    windows: WindowsFolder,
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Probe for leaks: train briefly on parts of the data."""
    use_threads(threads)
    from rabbithole.studies.leak_probe import probe_leaks

    probe_leaks(spec, windows=windows, output=output)


@step.command(rich_help_panel=STUDIES)
def leak_report(
    probes: Annotated[Named, json_option(Named, "Leak probes by data set, as JSON.")], output: OutputFile
) -> None:
    """Write the results of the leak probes as tables, and print them."""
    from rabbithole.studies.tables import leak_tables

    leak_tables(probes=paths(probes), output=output)
    print(output.read_text("utf-8"))


@step.command(rich_help_panel=STUDIES)
def ablation(
    spec: Annotated[AblationSpec, spec_option(AblationSpec)],
    windows: WindowsFolder,
    output: OutputFile,
    oracle: Annotated[Path | None, file_option("scores.parquet of the oracle, if there is one.")] = None,
    model_file: ModelFile = None,
    threads: Threads = 1,
) -> None:
    """Train a network with each balance and augmentation."""
    use_threads(threads)
    from rabbithole.studies.ablation import run_ablation

    run_ablation(spec, windows=windows, oracle=oracle, output=output, file=model_file)


@step.command(rich_help_panel=STUDIES)
def ablation_report(
    ablations: Annotated[
        dict[str, Named], json_option(dict[str, Named], "Ablations by data set and network, as JSON.")
    ],
    output: OutputFile,
) -> None:
    """Write the results of the ablations as tables, and print them."""
    from rabbithole.studies.tables import ablation_tables

    ablation_tables(ablations={name: paths(files) for name, files in ablations.items()}, output=output)
    print(output.read_text("utf-8"))


@step.command(rich_help_panel=STUDIES)
def oracle_gap(
    datasets: Annotated[
        dict[str, OracleGapSources],
        json_option(dict[str, OracleGapSources], "Files by data set, as JSON."),
    ],
    output: OutputFile,
) -> None:
    """Write the distance of each model to the oracle as a table, and print it."""
    from rabbithole.studies.tables import oracle_gap_tables

    oracle_gap_tables(datasets=datasets, output=output)
    print(output.read_text("utf-8"))
