"""The section `alice`: the book and what learns it."""

from typing import Annotated

from pydantic import Field

from rabbithole.config.base import Positive, Section


class Package(Section):
    """A source distribution that holds the book, for users without a way to the address."""

    name: str = Field(description="Name of the package in the Python package index.")
    version: str = Field(description="Its version.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the source distribution.")
    member: str = Field(description="Path of the text inside of it.")


class DeckText(Section):
    """The deck's own text network: GRU, dropout, softmax over the next character of a window."""

    window: Positive = Field(100, description="Characters in the window.")
    width: Positive = Field(64, description="Units of the GRU.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of units dropped while training.")
    learning_rate: float = Field(0.001, gt=0, description="Step size of Adam.")
    batch_size: Positive = Field(128, description="Windows a step.")
    epochs: Positive = Field(2, description="Passes over the text.")


class CharGru(Section):
    """Our text network: embedding, GRU, a loss at every step, state carried along."""

    embedding_width: Positive = Field(32, description="Numbers per character.")
    width: Positive = Field(256, description="Units of each GRU layer.")
    layers: Positive = Field(1, description="Stacked GRU layers.")
    embedding_dropout: float = Field(
        0.2, ge=0, lt=1, description="Share of a character's numbers dropped while training."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of each layer's units dropped while training.")
    kernel_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of the weights between a layer's steps dropped while training."
    )
    learning_rate: float = Field(0.003, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, description="Weight decay of AdamW.")
    batch_size: Positive = Field(16, description="Parallel streams of text.")
    steps: Positive = Field(64, description="Characters per stream between two updates.")
    epochs: Positive = Field(12, description="Passes over the text.")


class TextModels(Section):
    """The two text networks."""

    deck: DeckText = DeckText()
    char_gru: CharGru = CharGru()


class Alice(Section):
    """The book, what learns it, and what is asked of them."""

    source: str = Field(description="Address or path of the text.")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest that the text must have; null: any."
    )
    package: Package | None = Field(None, description="Where the text comes from if `source` can't be had.")
    lower_case: bool = Field(True, description="Lower-case the book, as in the deck.")
    models: TextModels = TextModels()
    seed_text: str = Field(min_length=1, description="What the samples write on from.")
    temperatures: list[Annotated[float, Field(gt=0)]] = Field(
        default=[0.2, 0.5, 0.8, 1.0],
        min_length=1,
        description="One sample each; low is timid, 1 is as learned.",
    )
    length: Positive = Field(400, description="Characters of each sample.")
