"""A learned text network on disk: an orbax checkpoint, and all that writing on needs beside it."""

from pathlib import Path
from typing import Any

from flax import nnx

from rabbithole.errors import UserError
from rabbithole.io.atomic import read_json, write_json
from rabbithole.text.corpus import Vocabulary
from rabbithole.text.deck import DeckTrainer
from rabbithole.text.learner import TextTrainer
from rabbithole.text.streams import StreamTrainer
from rabbithole.training.checkpoints import load_arrays, save_arrays

TRAINERS: dict[str, type[TextTrainer]] = {"deck": DeckTrainer, "char_gru": StreamTrainer}


def text_trainer(model: str) -> type[TextTrainer]:
    """Return the learner of a text model by its name; UserError names the known ones."""
    if model not in TRAINERS:
        raise UserError(f"alice.models: no text model {model!r}; there are {', '.join(TRAINERS)}")
    return TRAINERS[model]


def save(
    folder: Path,
    parameters: Any,
    *,
    model: str,
    settings: dict[str, Any],
    vocabulary: Vocabulary,
    lower: bool,
) -> None:
    """Write the folder: `parameters/` (orbax) and model.json."""
    folder.mkdir(parents=True)
    save_arrays(folder / "parameters", parameters)
    described = {"model": model, "settings": settings, "characters": vocabulary.characters, "lower": lower}
    write_json(folder / "model.json", described)


def load(folder: Path) -> tuple[Any, type[TextTrainer], Vocabulary, dict[str, Any]]:
    """Return the network, its learner's class, the vocabulary and what model.json says.

    Raises `UserError` when the network had other parameters then.
    """
    described = read_json(folder / "model.json")
    learner = text_trainer(described["model"])
    vocabulary = Vocabulary(described["characters"])
    network = learner.build(described["settings"], symbols=vocabulary.symbols, seed=0)
    try:
        nnx.update(network, load_arrays(folder / "parameters", nnx.state(network, nnx.Param)))
    except ValueError as error:
        raise UserError(
            f"{folder} was written by another version, whose network had other parameters: train it again."
        ) from error
    return network, learner, vocabulary, described
