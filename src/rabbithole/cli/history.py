"""`rabbithole runs`: what finished runs reached, and how two of them differ."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rabbithole.artifacts.runs import FinishedRun, RunFigures
from rabbithole.cli.app import RUN, app


@app.command(rich_help_panel=RUN)
def runs(
    numbers: Annotated[list[int] | None, typer.Argument(help="Two runs to compare; none: list all.")] = None,
    results: Annotated[Path | None, typer.Option(help="Results folder (default: the nearest).")] = None,
) -> None:
    """Show the finished runs of a results folder, or what differs between two of them."""
    from rabbithole.errors import UserError
    from rabbithole.workflow.project import find_results
    from rabbithole.workflow.run_history import find_run, read_history

    folder = results or find_results(Path.cwd())
    history = read_history(folder)
    if not history:
        raise UserError(f"{folder} has no history yet: a finished run writes its first line.")
    console = Console(highlight=False)
    if not numbers:
        console.print(_all_runs(history))
        return
    if len(numbers) != 2:
        raise UserError("Give two runs to compare, such as `rabbithole runs 1 2`, or none.")
    _print_comparison(console, folder, *(find_run(history, number) for number in numbers))


def _all_runs(history: list[FinishedRun]) -> Table:
    """Return a table with a row per run; of each data set the best model is shown."""
    from rabbithole.workflow.run_history import change_text

    table = Table(box=None, pad_edge=False)
    for name, justify in (("run", "right"), ("when (UTC)", "left"), ("took", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("best AUC", overflow="fold")
    table.add_column("changed since the run before", overflow="fold")
    for run in history:
        changed = change_text(run.changes) or ("-" if run.number == 1 else "data or code")
        table.add_row(
            str(run.number), run.time[:16].replace("T", " "), _duration(run.seconds), _best(run), changed
        )
    return table


def _best(run: FinishedRun) -> str:
    lines = []
    for dataset in dict.fromkeys(figure.dataset for figure in run.figures):
        known = [figure for figure in run.figures if figure.dataset == dataset and figure.auc]
        if not known:
            lines.append(f"{dataset}: none")
            continue
        best = max(known, key=lambda figure: figure.auc.value if figure.auc else 0.0)
        lines.append(f"{dataset} {best.model} {_auc(best)}")
    lines += [f"{text.model} {text.bits_per_character:.3f} bits" for text in run.texts]
    return "\n".join(lines)


def _auc(figure: RunFigures) -> str:
    auc = figure.auc
    return "none" if auc is None else f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]".replace("[", r"\[")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    )


def _print_comparison(console: Console, folder: Path, first: FinishedRun, second: FinishedRun) -> None:
    """Print the settings and the figures in which two runs differ."""
    from rabbithole.workflow.run_history import differences

    changes = differences(first.settings, second.settings)
    console.print(f"Settings that differ: {len(changes)}" if changes else "The settings are the same.")
    if changes:
        table = Table(box=None, pad_edge=False)
        for name in ("setting", f"run {first.number}", f"run {second.number}"):
            table.add_column(name, overflow="fold")
        for change in changes:
            table.add_row(change.key, change.old or "none", change.new or "none")
        console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False)
    for name in ("data set", "model", f"AUC, run {first.number}", f"AUC, run {second.number}", "difference"):
        table.add_column(name, overflow="fold")
    before = {(each.dataset, each.model, each.seed): each for each in first.figures}
    after = {(each.dataset, each.model, each.seed): each for each in second.figures}
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        name = key[1] + (f", seed {key[2]}" if key[2] else "")
        table.add_row(
            key[0],
            name,
            "-" if old is None else _auc(old),
            "-" if new is None else _auc(new),
            "" if old is None or new is None else _difference(folder, old, new),
        )
    console.print(table)
    for text in second.texts:
        former = next((each for each in first.texts if each.model == text.model), None)
        if former is not None:
            bits = f"{former.bits_per_character:.3f} and {text.bits_per_character:.3f}"
            console.print(f"Alice, {text.model}: {bits} bits per character")


def _difference(folder: Path, old: RunFigures, new: RunFigures) -> str:
    """Return the difference of two AUCs: paired where the test sessions are the same."""
    from rabbithole.evaluation.delong import paired_test, placements
    from rabbithole.workflow.run_history import kept_scores

    if old.scores == new.scores:
        return "same scores"
    if old.auc is None or new.auc is None:
        return ""
    plain = f"{new.auc.value - old.auc.value:+.4f}"
    first, second = kept_scores(folder, old), kept_scores(folder, new)
    if first is None or second is None:
        return f"{plain} (scores no longer kept)"
    if not first["session_id"].equals(second["session_id"]) or not first["buyer"].equals(second["buyer"]):
        return f"{plain} (other test sessions)"
    labels = second["buyer"].to_numpy()
    test = paired_test(*(placements(labels, table["score"].to_numpy()) for table in (second, first)))
    return rf"{plain} \[{test.low:+.4f}, {test.high:+.4f}], p {test.p:.2g}"
