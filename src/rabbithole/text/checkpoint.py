"""Saves and loads a trained text network: orbax arrays, and model.json with all that sampling needs."""

from pathlib import Path
from typing import Any

from flax import nnx

from rabbithole.artifacts.text import TextModelDescription
from rabbithole.errors import UserError
from rabbithole.text.corpus import Vocabulary
from rabbithole.text.registry import text_model
from rabbithole.training.checkpoints import load_arrays, save_arrays


def save(folder: Path, parameters: Any, description: TextModelDescription) -> None:
    """Write the folder: `parameters/` (orbax) and model.json."""
    folder.mkdir(parents=True)
    save_arrays(folder / "parameters", parameters)
    description.write(folder / "model.json")


def load(folder: Path) -> tuple[Any, TextModelDescription]:
    """Return the network and its description.

    Raises `UserError` if the saved network has other parameters than the code builds.
    """
    description = TextModelDescription.read(folder / "model.json")
    symbols = Vocabulary(description.characters).symbols
    network = text_model(description.model).build(description.settings, symbols=symbols, seed=0)
    try:
        nnx.update(network, load_arrays(folder / "parameters", nnx.state(network, nnx.Param)))
    except ValueError as error:
        raise UserError(
            f"{folder} was written by another version, whose network had other parameters: train it again."
        ) from error
    return network, description
