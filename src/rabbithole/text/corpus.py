"""Turns a book into codes: strips it, splits it by position, fits the vocabulary, and counts bits."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rabbithole.artifacts.text import BookOrigin
from rabbithole.errors import UserError

TRAIN_SHARE = 0.9
UNICODE_CODE_POINTS = 0x110000

START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^*]*\*\*\*", re.MULTILINE)
END = re.compile(
    r"^(?:\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK|End of (?:the |this )?Project Gutenberg)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Vocabulary:
    """The characters of the train part, sorted; a character's code is its index.

    One more code, `unknown`, stands for all other characters.
    """

    characters: str

    @property
    def symbols(self) -> int:
        """The number of codes, `unknown` included."""
        return len(self.characters) + 1

    @property
    def unknown(self) -> int:
        """The code of all characters that are not in the train part."""
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a text, int32[characters]."""
        codes = {character: code for code, character in enumerate(self.characters)}
        return np.array([codes.get(character, self.unknown) for character in text], np.int32)

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of codes; `unknown` becomes U+FFFD."""
        return "".join((self.characters + "\ufffd")[code] for code in codes)


@dataclass(frozen=True)
class Corpus:
    """A text in codes, int32[characters]. Codes from index `held_out` on are for evaluation only."""

    codes: np.ndarray
    held_out: int
    vocabulary: Vocabulary

    @property
    def held_out_codes(self) -> np.ndarray:
        """The codes for evaluation, int32[held-out characters]."""
        return self.codes[self.held_out :]


def read_book(path: Path, *, lower: bool) -> str:
    """Read a UTF-8 text file and return its book (see `strip`).

    lower: whether to lower-case it. Raises UserError if the file is missing, is not UTF-8, is empty, or
    is not the one that the book.json beside it describes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the text {path}: {error.strerror}") from error
    origin = path.with_suffix(".json")
    if origin.exists() and BookOrigin.read(origin).sha256 != hashlib.sha256(content).hexdigest():
        raise UserError(
            f"{path} is damaged: its sha256 is not the one in {origin.name}. Delete both and run again: rule "
            "book writes them."
        )
    try:
        raw = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"the text {path} is not UTF-8 (byte {error.start}); convert it, e.g. with iconv -t UTF-8"
        ) from error
    book = strip(raw)
    if not book.strip():
        raise UserError(f"the text {path} is empty")
    return book.lower() if lower else book


def strip(raw: str) -> str:
    r"""Return the text between Project Gutenberg's header and footer, or the full text without them.

    Line ends become "\n", empty lines at both ends are removed, and the text ends with one line end.
    Everything else is kept.
    """
    text = raw.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if start := START.search(text):
        text = text[start.end() :]
    if end := END.search(text):
        text = text[: end.start()]
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip() + "\n"


def split(text: str) -> Corpus:
    """Split a text by position: the first 90 % are the train part, which alone defines the vocabulary."""
    held_out = int(TRAIN_SHARE * len(text))
    vocabulary = Vocabulary("".join(sorted(set(text[:held_out]))))
    return Corpus(vocabulary.encode(text), held_out, vocabulary)


def code_lengths(log_probabilities: np.ndarray, codes: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return the code length of each character in bits, -log2 of its probability, float64[characters].

    log_probabilities: natural logarithms of the probabilities of `codes`, float[characters]. An unknown
    character costs the code `unknown` plus a uniform choice among all Unicode code points outside the
    vocabulary. So the probabilities of all characters still sum to 1.
    """
    bits = np.asarray(log_probabilities, np.float64) / -np.log(2)
    others = UNICODE_CODE_POINTS - len(vocabulary.characters)
    return bits + np.where(codes == vocabulary.unknown, np.log2(others), 0.0)
