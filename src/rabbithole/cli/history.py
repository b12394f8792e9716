"""`rabbithole runs`: what finished runs reached, and how two of them differ."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rabbithole.cli.app import RUN, app

if TYPE_CHECKING:
    from rich.table import Table

    from rabbithole.artifacts.runs import FinishedRun
    from rabbithole.workflow.run_comparison import FigureRow, RunComparison
    from rabbithole.workflow.run_history import History


@app.command(rich_help_panel=RUN)
def runs(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Two runs to compare. Without: list all runs.", metavar="A B")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results folder. Default: the nearest with a history.")
    ] = None,
) -> None:
    """List the finished runs of a results folder, or show what differs between two of them."""
    from rich.console import Console

    from rabbithole.errors import UserError
    from rabbithole.workflow.places import find_results
    from rabbithole.workflow.run_comparison import compare_runs
    from rabbithole.workflow.run_history import read_history

    folder = results or find_results(Path.cwd())
    if not folder.is_dir():
        raise UserError(f"--results {folder}: there is no such folder")
    history = read_history(folder)
    for message in history.refused:
        print(f"Warning: {message}", file=sys.stderr)
    if not history.runs and not history.refused:
        raise UserError(f"There is no finished run in {folder}: the first one starts its history.")
    console = Console(highlight=False, markup=False)
    if not numbers:
        console.print(_all_runs(history))
    elif len(numbers) == 2:
        first, second = (history.run(number) for number in numbers)
        for part in _comparison(numbers, compare_runs(folder, first, second)):
            console.print(part)
    else:
        raise UserError("give the numbers of two runs, such as `rabbithole runs 1 2`, or none to list all")


def _table(*columns: str, right: tuple[str, ...] = ()) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _all_runs(history: "History") -> "Table":
    """Return a table with the newest run last: its settings that changed, and its best figures."""
    from rabbithole.workflow.run_history import change_text, local_minute

    table = _table("run", "finished", "took", "what changed, and the best AUC", right=("run", "took"))
    for column in table.columns[:3]:
        column.no_wrap = True
    for number, run in history.runs.items():
        lines = [change_text(run.changes)] if run.changes else []
        if run.targets != ["all"]:
            lines.append(f"only {', '.join(run.targets)}")
        table.add_row(
            str(number), local_minute(run), _duration(run.seconds), "\n".join([*lines, *_best_figures(run)])
        )
    return table


def _best_figures(run: "FinishedRun") -> list[str]:
    """Return a line per data set with its best model on valid, and one for the text models."""
    from rabbithole.workflow.run_comparison import best_model, best_next_event

    lines = []
    for dataset in dict.fromkeys(figures.dataset for figures in run.figures):
        best = best_model(figures for figures in run.figures if figures.dataset == dataset)
        text = f"{best.model} {best.auc:.3f} [{best.low:.3f}, {best.high:.3f}]" if best else "no AUC"
        lines.append(f"{dataset}: {text}")
    for dataset in dict.fromkeys(figures.dataset for figures in run.next_events):
        best_next = best_next_event(figures for figures in run.next_events if figures.dataset == dataset)
        if best_next:
            lines.append(f"{dataset}, next event: {best_next.run} {best_next.event.value:.3f} nats")
    if run.texts:
        text = ", ".join(
            f"{text_model.model} {text_model.bits_per_character:.3f}" for text_model in run.texts
        )
        lines.append(f"alice: {text} bits per character")
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _comparison(numbers: list[int], comparison: "RunComparison") -> "list[Table | str]":
    """Return tables of the settings and the figures in which two runs differ."""
    first, second = (f"run {number}" for number in numbers)
    parts: list[Table | str] = []
    if comparison.changes:
        table = _table("setting", first, second)
        for change in comparison.changes:
            table.add_row(change.key, change.old or "none", change.new or "none")
        parts.append(table)
    else:
        parts.append("The settings are the same.")
    for section in comparison.sections:
        table = _table("", first, second, "difference", "p", right=(first, second))
        for row in section.rows:
            table.add_row(row.name, _value(row.old), _value(row.new), _difference(row), _p(row))
        parts += ["", f"{section.title}: {section.note}" if section.note else section.title, table]
    return parts


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _difference(row: "FigureRow") -> str:
    if row.remark or row.old is None or row.new is None:
        return row.remark
    text = f"{row.new - row.old:+.4f}"
    return f"{text} [{row.paired.low:+.4f}, {row.paired.high:+.4f}]" if row.paired else text


def _p(row: "FigureRow") -> str:
    return f"{row.paired.p:.2g}" if row.paired else ""
