"""Specs and texts that are small enough to train on in seconds."""

from pathlib import Path
from typing import Any

import pytest
from jax_settings import strict_promotion  # noqa: F401 - a fixture of all tests here

from rabbithole.specs.text import CharGruSettings, DeckSettings, TrainTextSpec
from rabbithole.specs.training import ResumeOptions
from rabbithole.text.train import train_text

LINE = "the cat sat on the mat; the dog ran to the log. "

# Widths are prime, so that a mix-up of shapes can't pass.
SETTINGS = {
    "deck": DeckSettings(window=20, width=7, dropout=0.2, learning_rate=0.02, batch_size=64, epochs=4),
    "char_gru": CharGruSettings(
        embedding_width=5,
        width=11,
        layers=2,
        embedding_dropout=0.1,
        dropout=0.2,
        kernel_dropout=0.1,
        learning_rate=0.02,
        weight_decay=0.01,
        batch_size=4,
        steps=16,
        epochs=4,
    ),
}
NO_DROPOUT = {
    "deck": DeckSettings(window=20, width=12, dropout=0.0, learning_rate=0.02, batch_size=32, epochs=2),
    "char_gru": CharGruSettings(
        embedding_width=8,
        width=32,
        layers=1,
        embedding_dropout=0.0,
        dropout=0.0,
        kernel_dropout=0.0,
        learning_rate=0.02,
        weight_decay=0.0,
        batch_size=4,
        steps=16,
        epochs=6,
    ),
}


def paths(text: Path, folder: Path) -> dict[str, Path]:
    """Return the paths that a training reads and writes."""
    return {
        "text": text,
        "output": folder / "checkpoint",
        "history": folder / "history.json",
        "metrics": folder / "metrics.json",
    }


@pytest.fixture(scope="session")
def line() -> str:
    """Return a line of a text that repeats."""
    return LINE


@pytest.fixture(scope="session")
def specs() -> dict[str, TrainTextSpec]:
    """Return a spec of each model, with dropout."""
    return {
        model: TrainTextSpec(model=model, settings=settings, lower=True, seed=3)
        for model, settings in SETTINGS.items()
    }


@pytest.fixture(scope="session")
def training_paths() -> Any:
    """Return the function that names the files of a training: (text, folder) -> keywords."""
    return paths


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with book.txt and, in a folder each, both models trained on it without dropout."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "book.txt").write_text(LINE * 60)
    for model, settings in NO_DROPOUT.items():
        spec = TrainTextSpec(model=model, settings=settings, lower=True, seed=0)
        resume = ResumeOptions(folder=str(folder / "resume"), minutes=60.0)
        train_text(spec, **paths(folder / "book.txt", folder / model), code="", resume=resume)
    return folder
