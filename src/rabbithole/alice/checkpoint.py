"""A learned text network on disk: an orbax checkpoint, and all that writing on needs beside it."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx

from rabbithole.alice.corpus import Vocabulary
from rabbithole.alice.deck import DeckLearner
from rabbithole.alice.learner import Learner
from rabbithole.alice.streams import StreamLearner
from rabbithole.errors import UserError
from rabbithole.files import read_json, write_json

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
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute() / "parameters", _plain(parameters))
    described = {"model": model, "settings": settings, "characters": vocabulary.characters, "lower": lower}
    write_json(folder / "model.json", described)


def load(folder: Path) -> tuple[Any, type[Learner], Vocabulary, dict[str, Any]]:
    """Return the network, its learner's class, the vocabulary and what model.json says."""
    described = read_json(folder / "model.json")
    learner = learner_of(described["model"])
    vocabulary = Vocabulary(described["characters"])
    network = learner.build(described["settings"], symbols=vocabulary.symbols, seed=0)
    parameters = nnx.state(network, nnx.Param)
    shapes = {
        name: jax.ShapeDtypeStruct(value.shape, value.dtype) for name, value in _plain(parameters).items()
    }
    with ocp.StandardCheckpointer() as checkpointer:
        restored = checkpointer.restore(folder.absolute() / "parameters", shapes)
    leaves = [jnp.asarray(restored[name]) for name in _plain(parameters)]
    nnx.update(network, jax.tree.unflatten(jax.tree.structure(parameters), leaves))
    return network, learner, vocabulary, described


def _plain(parameters: Any) -> dict[str, np.ndarray]:
    """Return the parameters under dotted names, in their own order."""
    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    return {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf) for path, leaf in leaves}
