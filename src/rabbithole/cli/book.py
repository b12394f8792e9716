"""Steps of the branch that learns Alice."""

from pathlib import Path
from typing import Annotated

import typer

from rabbithole.cli.app import File, Json, Threads, app, use_threads


@app.command()
def book(settings: Json, output: File) -> None:
    """Fetch the text of Alice's Adventures in Wonderland and check it."""
    from rabbithole.text.fetch import fetch

    fetch(**settings, output=output)


@app.command()
def train_text(
    settings: Json,
    resume: Json,
    code: Annotated[str, typer.Option()],
    text: File,
    output: File,
    history: File,
    metrics: File,
    threads: Threads = 1,
) -> None:
    """Learn the book with one text model."""
    use_threads(threads)
    from rabbithole.text.train import train_text

    train_text(
        **settings,
        text=text,
        output=output,
        history=history,
        metrics=metrics,
        code=code,
        resume=Path(resume["folder"]),
        checkpoint_minutes=resume["minutes"],
    )


@app.command()
def sample_text(settings: Json, checkpoint: File, text: File, output: File, threads: Threads = 1) -> None:
    """Write on from the book with a trained text model."""
    use_threads(threads)
    from rabbithole.text.sample import sample_text

    sample_text(**settings, checkpoint=checkpoint, text=text, output=output)
