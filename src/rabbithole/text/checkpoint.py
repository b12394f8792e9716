"""A learned text network on disk: an orbax checkpoint, and all that writing on needs beside it."""

from pathlib import Path
from typing import Any

from flax import nnx

from rabbithole.errors import UserError
from rabbithole.io.atomic import read_json, write_json
from rabbithole.text.corpus import Vocabulary
from rabbithole.text.deck import DeckLearner
from rabbithole.text.learner import Learner
from rabbithole.text.streams import StreamLearner
from rabbithole.training.checkpoints import load_arrays, save_arrays

LEARNERS: dict[str, type[Learner]] = {"deck": DeckLearner, "char_gru": StreamLearner}


def learner_of(model: str) -> type[Learner]:
    """Return the learner of a text model by its name; UserError names the known ones."""
    if model not in LEARNERS:
        raise UserError(f"alice.models: no text model {model!r}; there are {', '.join(LEARNERS)}")
    return LEARNERS[model]


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


def load(folder: Path) -> tuple[Any, type[Learner], Vocabulary, dict[str, Any]]:
    """Return the network, its learner's class, the vocabulary and what model.json says.

    Raises `UserError` when the network had other parameters then.
    """
    described = read_json(folder / "model.json")
    learner = learner_of(described["model"])
    vocabulary = Vocabulary(described["characters"])
    network = learner.build(described["settings"], symbols=vocabulary.symbols, seed=0)
    try:
        nnx.update(network, load_arrays(folder / "parameters", nnx.state(network, nnx.Param)))
    except ValueError as error:
        raise UserError(
            f"{folder} was written by another version, whose network had other parameters: train it again."
        ) from error
    return network, learner, vocabulary, described
