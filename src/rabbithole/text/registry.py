"""The text models by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rabbithole.errors import UserError
from rabbithole.text.char_gru import CharGruTrainer, build_char_gru, char_gru_sampler
from rabbithole.text.deck import DeckTrainer, build_deck, deck_sampler
from rabbithole.text.sampler import Sampler
from rabbithole.text.trainer import TextTrainer


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
