"""Options that the commands of several steps share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from rabbithole.specs.base import Spec
from rabbithole.specs.spark import SparkOptions
from rabbithole.specs.training import ResumeOptions


def spec_option(kind: type[Spec], text: str = "What the step reads of the settings, as JSON.") -> Any:
    """Return an option that takes a spec as JSON."""
    return typer.Option(parser=kind.parse, metavar="JSON", help=text)


def json_option(kind: Any, text: str) -> Any:
    """Return an option that takes values of a type as JSON."""
    return typer.Option(parser=TypeAdapter(kind).validate_json, metavar="JSON", help=text)


def file_option(text: str) -> Any:
    """Return an option that takes a path."""
    return typer.Option(help=text)


def shared_option(text: str) -> Any:
    """Return an option that takes a path, made absolute: Spark's workers run in folders of their own."""
    return typer.Option(help=text, resolve_path=True)


Named = dict[str, str]
Spark = Annotated[SparkOptions, spec_option(SparkOptions, "Where and how large Spark runs, as JSON.")]
Resume = Annotated[
    ResumeOptions, spec_option(ResumeOptions, "Where and how often the state is saved, as JSON.")
]
Code = Annotated[str, typer.Option(help="Digest of the code; a saved state counts only for the same code.")]
Threads = Annotated[int, typer.Option(min=1, help="Cores to use.")]
Events = Annotated[Path, shared_option("Folder of events.")]
Sessions = Annotated[Path, shared_option("Folder of sessions.")]
WindowsFolder = Annotated[Path, file_option("Folder of windows.")]
Raw = Annotated[Path, file_option("Folder of the simulated log.")]
Checkpoint = Annotated[Path, file_option("Folder of the trained model.")]
HistoryFile = Annotated[Path, file_option("history.json of the training.")]
Output = Annotated[Path, file_option("File or folder to write.")]
SharedOutput = Annotated[Path, shared_option("Folder to write.")]
Text = Annotated[Path, file_option("The book.")]
