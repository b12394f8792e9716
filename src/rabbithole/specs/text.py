"""Specs of the text branch: fetch the book, train a text model, sample from it."""

from rabbithole.specs.base import Spec


class PackageSpec(Spec):
    """A source distribution that contains the book. member: the text's path inside it."""

    name: str
    version: str
    sha256: str
    member: str


class BookSpec(Spec):
    """Where the book comes from. sha256: the digest that the text must have, None for any text."""

    source: str
    sha256: str | None
    package: PackageSpec | None


class DeckSettings(Spec):
    """Settings of the deck's network; see `rabbithole.config.text.DeckText`."""

    window: int
    width: int
    dropout: float
    learning_rate: float
    batch_size: int
    epochs: int


class CharGruSettings(Spec):
    """Settings of our text network; see `rabbithole.config.text.CharGru`."""

    embedding_width: int
    width: int
    layers: int
    embedding_dropout: float
    dropout: float
    kernel_dropout: float
    learning_rate: float
    weight_decay: float
    batch_size: int
    steps: int
    epochs: int


class TrainTextSpec(Spec):
    """One text model. model: `deck` or `char_gru`; lower: whether the text is lower-cased."""

    model: str
    settings: DeckSettings | CharGruSettings
    lower: bool
    seed: int


class SampleTextSpec(Spec):
    """What to write. length: characters per sample; there is one sample per temperature."""

    seed_text: str
    temperatures: tuple[float, ...]
    length: int
    seed: int
