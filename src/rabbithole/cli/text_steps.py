"""Steps of the text branch.

Each command imports its step when it runs, so that no step pays for the libraries of another.
"""

from pathlib import Path
from typing import Annotated

from rabbithole.cli.app import (
    TEXT,
    Checkpoint,
    Code,
    HistoryFile,
    OutputFile,
    OutputFolder,
    Resume,
    Text,
    Threads,
    file_option,
    spec_option,
    step,
    use_threads,
)
from rabbithole.specs.text import BookSpec, SampleTextSpec, TrainTextSpec


@step.command(rich_help_panel=TEXT)
def book(spec: Annotated[BookSpec, spec_option(BookSpec)], output: OutputFile) -> None:
    """Fetch the text of Alice's Adventures in Wonderland and check it."""
    from rabbithole.text.fetch import fetch

    fetch(spec, output=output)


@step.command(rich_help_panel=TEXT)
def train_text(
    spec: Annotated[TrainTextSpec, spec_option(TrainTextSpec)],
    resume: Resume,
    code: Code,
    text: Text,
    output: OutputFolder,
    history: HistoryFile,
    metrics: Annotated[Path, file_option("File for the metrics.")],
    threads: Threads = 1,
) -> None:
    """Train one text model on the book."""
    use_threads(threads, trains=True)
    from rabbithole.text.train import train_text

    train_text(spec, text=text, output=output, history=history, metrics=metrics, code=code, resume=resume)


@step.command(rich_help_panel=TEXT)
def sample_text(
    spec: Annotated[SampleTextSpec, spec_option(SampleTextSpec)],
    checkpoint: Checkpoint,
    text: Text,
    output: OutputFile,
    threads: Threads = 1,
) -> None:
    """Sample text from a trained text model."""
    use_threads(threads)
    from rabbithole.text.sample import sample_text

    sample_text(spec, checkpoint=checkpoint, text=text, output=output)
