"""The text networks by name, and their checkpoints: arrays, and model.json with what sampling needs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from rabbithole.artifacts.text import TextCheckpointFiles, TextModelDescription
from rabbithole.errors import UserError
from rabbithole.text.char_gru import CharGruTrainer, build_char_gru, char_gru_sampler
from rabbithole.text.corpus import Vocabulary
from rabbithole.text.deck import DeckTrainer, build_deck, deck_sampler
from rabbithole.text.trainer import Sampler, TextTrainer
from rabbithole.training.checkpoints import load_arrays, save_arrays


@dataclass(frozen=True)
class TextModel:
    """The functions of a text model.

    build: (settings, symbols=, seed=) -> the untrained network; trainer: (corpus, settings, seed=) -> its
    trainer; sampler: (network, settings, context) -> the sampler that continues a context.
    """

    build: Callable[..., Any]
    trainer: Callable[..., TextTrainer]
    sampler: Callable[..., Sampler]


TEXT_MODELS = {
    "deck": TextModel(build_deck, DeckTrainer, deck_sampler),
    "char_gru": TextModel(build_char_gru, CharGruTrainer, char_gru_sampler),
}


def text_model(name: str) -> TextModel:
    """Return a text model by its name; UserError names the known ones."""
    if name not in TEXT_MODELS:
        raise UserError(f"alice.models: unknown text model {name!r}; known: {', '.join(TEXT_MODELS)}")
    return TEXT_MODELS[name]


def save(folder: Path, parameters: Any, description: TextModelDescription) -> None:
    """Write the folder: `parameters/` (orbax), model.json, and the digests of all files."""
    folder.mkdir(parents=True)
    save_arrays(folder / "parameters", parameters)
    description.write(folder / "model.json")
    TextCheckpointFiles.seal(folder)


def load(folder: Path) -> tuple[Any, TextModelDescription]:
    """Return the network and its description.

    Raises `UserError` if a file is damaged, or if the saved network has other parameters than the code
    builds.
    """
    TextCheckpointFiles.check(folder)
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
