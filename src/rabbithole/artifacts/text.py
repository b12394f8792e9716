"""Artifacts of the text branch."""

from rabbithole.artifacts.base import Artifact, FolderFiles, Record
from rabbithole.specs.text import CharGruSettings, DeckSettings


class BookOrigin(Artifact):
    """book.json: where the text came from, its sha256 and its size in bytes."""

    kind = "book origin"
    rule = "book"

    source: str
    sha256: str
    bytes: int


class TextModelDescription(Artifact):
    """model.json of a text checkpoint. characters: the vocabulary in the order of its codes."""

    kind = "text model"
    rule = "train_text"

    model: str
    settings: DeckSettings | CharGruSettings
    characters: str
    lower: bool


class TextCheckpointFiles(FolderFiles):
    """files.json of a trained text model. digests: the sha256 of every other file."""

    kind = "text checkpoint files"
    rule = "train_text"


class TextEpoch(Record):
    """One epoch. loss: the mean during training, in bits; held_out_bits: per held-out character."""

    epoch: int
    loss: float
    held_out_bits: float


class TextHistory(Artifact):
    """history.json of a text model. seconds: per epoch."""

    kind = "text history"
    rule = "train_text"

    epochs: list[TextEpoch]
    seconds: list[float]


class TextMetrics(Artifact):
    """metrics.json of a text model, in bits per held-out character.

    dynamic_bits_per_character: with dynamic evaluation, None where the model has none.
    """

    kind = "text metrics"
    rule = "train_text"

    bits_per_character: float
    dynamic_bits_per_character: float | None
    epochs: int
    parameters: int
    characters: int
    held_out_characters: int


class TextSample(Record):
    """word_share: the fraction of the written words that are words of the book, None without a word."""

    temperature: float
    text: str
    word_share: float | None


class TextSamples(Artifact):
    """samples.json: one sample per temperature. seed_found: whether the book contains the seed text."""

    kind = "text samples"
    rule = "sample_text"

    seed_text: str
    seed_found: bool
    samples: list[TextSample]
