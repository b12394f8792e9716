"""Reads the logs and models that a person names on the command line; prints what became of a log."""

import re
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rabbithole.artifacts.serving import PredictionSummary
from rabbithole.errors import UserError
from rabbithole.formats.base import log_format
from rabbithole.ingest.locate import locate
from rabbithole.serving.folder import ModelFolder, load_folder
from rabbithole.specs.data import EventsSpec, Source


def log_source(events: EventsSpec, arguments: list[str]) -> Source:
    """Return the source for a folder, for files, or for ROLE=FILE pairs.

    A file alone belongs to the role whose published name its own resembles, otherwise to the one required
    role. Raises `UserError` when a file's role is not clear.
    """
    if len(arguments) == 1 and ("://" in arguments[0] or Path(arguments[0]).is_dir()):
        return arguments[0]
    roles = log_format(events.format, events.table).roles
    named_roles = any(argument.partition("=")[0] in {role.name for role in roles} for argument in arguments)
    if events.table is not None and not named_roles:
        # The patterns of the tables choose among the files.
        return arguments[0] if len(arguments) == 1 else arguments
    by_role: dict[str, list[str]] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if equals and name in {role.name for role in roles}:
            by_role.setdefault(name, []).append(path)
            continue
        named = [role.name for role in roles if any(_alike(argument, known) for known in role.published)]
        required = [role.name for role in roles if role.required]
        choices = named or required
        if len(choices) != 1:
            names = " or ".join(f"{role.name}={argument}" for role in roles)
            raise UserError(f"{argument}: say which file of the log it is, as {names}.")
        by_role.setdefault(choices[0], []).append(argument)
    return {role: files[0] if len(files) == 1 else files for role, files in by_role.items()}


def require_apart(output: Path, folder: ModelFolder, source: Source, scores: Sequence[Path] = ()) -> None:
    """Raise `UserError` for an output that would replace a file that is read, or lie in the model folder.

    scores: files with earlier scores. What is written beside the output, under its name with .json, counts
    too. Logs at addresses are out of reach.
    """
    if folder.path.resolve() in output.resolve().parents:
        raise UserError(f"{output} lies in the model folder, which must stay as it is. Give another name.")
    existing = [path for path in (output, output.parent / f"{output.name}.json") if path.is_file()]
    if not existing:
        return
    events = folder.manifest.events
    read = [file for file in scores if file.exists()]
    if "://" not in str(source):
        read += chain.from_iterable(locate(events.format, source, events.table).values())
    for path in existing:
        if any(path.samefile(file) for file in read):
            raise UserError(f"{path} is read, and would be replaced. Give another name.")


def _alike(path: str, published: str) -> bool:
    return Path(path).name.lower().startswith(Path(published).stem.lower())


SERVED_NAME = re.compile(r"[\w-]+")
"""Names that stand in the address of a served model."""


def named_models(arguments: list[str]) -> dict[str, Path]:
    """Return model folders by name, from PATH or NAME=PATH; PATH alone is named after its data set.

    Raises `UserError` when two have the same name, or when no address can hold one.
    """
    models: dict[str, Path] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or Path(argument).is_dir():
            folder = Path(argument)
            name = load_folder(folder).manifest.dataset
        else:
            folder = Path(path)
        if not SERVED_NAME.fullmatch(name):
            raise UserError(
                f"{name!r} can't be the name of a model: take letters, digits, - and _, as in NAME=PATH."
            )
        if name in models:
            raise UserError(f"Two models are called {name!r}: give each a name, as NAME=PATH.")
        models[name] = folder
    return models


REASONS = {
    "bought_at_once": "no event before the purchase",
    "without_cart": "no cart before the purchase",
    "short": "too few events",
}
"""Why a session has no score."""


def print_summary(summary: PredictionSummary, output: str) -> None:
    """Print what became of the log, to the standard error: the standard output may hold the scores."""
    console = Console(file=sys.stderr, highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{summary.sessions:,}", f"sessions scored, {summary.running:,} of them still running")
    if summary.bought:
        table.add_row(f"{summary.bought:,}", "of them bought in this log; the score ignores the purchase")
    for reason, count in summary.not_scored.items():
        table.add_row(f"{count:,}", f"sessions not scored: {REASONS.get(reason, reason)}")
    table.add_row(f"{summary.events:,}", f"events of {summary.lines:,} lines")
    table.add_row(f"{summary.rejected:,}", "lines that can't be read")
    table.add_row(f"{summary.duplicates:,}", "lines that repeat another one")
    if summary.left_out:
        table.add_row(f"{summary.left_out:,}", "events that the settings leave out")
    if summary.audience is not None:
        table.add_row(f"{summary.audience.contact:,}", "sessions in the audience: contact them")
        table.add_row(f"{summary.audience.hold_out:,}", "held out of it at random, to measure the effect")
    console.print(table)
    for warning in summary.warnings:
        console.print(f"Warning: {warning}", markup=False, soft_wrap=True)
    if output != "-":
        console.print(f"Scores: {output}", markup=False, soft_wrap=True)
