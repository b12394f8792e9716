"""The book as a row of codes: header and footer off, split by position, a vocabulary, and what a bit is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rabbithole.errors import UserError

TRAIN_SHARE = 0.9
CODE_POINTS = 0x110000

START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^*]*\*\*\*", re.MULTILINE)
END = re.compile(
    r"^(?:\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK|End of (?:the |this )?Project Gutenberg)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Vocabulary:
    """The characters of the text's first part, sorted; a character's code is its place.

    The code after the last stands for every other character (`unknown`), so that a text can be read whole.
    """

    characters: str

    @property
    def symbols(self) -> int:
        """The number of codes, `unknown` included."""
        return len(self.characters) + 1

    @property
    def unknown(self) -> int:
        """The code of all characters that the first part does not have."""
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
    """A text in codes (int32[characters]); what stands from `held_out` on is for judging alone."""

    codes: np.ndarray
    held_out: int
    vocabulary: Vocabulary


def read_book(path: Path, *, lower: bool) -> str:
    """Read a UTF-8 text file and return the book in it (see `strip`), lower-cased if asked.

    Raises UserError where the file is missing, is not UTF-8, or holds no book.
    """
    try:
        raw = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the text {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"the text {path} is not UTF-8 (byte {error.start}); convert it, e.g. with iconv -t UTF-8"
        ) from error
    book = strip(raw)
    if not book.strip():
        raise UserError(f"the text {path} is empty")
    return book.lower() if lower else book


def strip(raw: str) -> str:
    r"""Return the text between Project Gutenberg's header and footer, or all of it where there are none.

    Line ends become "\n"; empty lines at either end go; one line end closes the text. All else is kept.
    """
    text = raw.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if start := START.search(text):
        text = text[start.end() :]
    if end := END.search(text):
        text = text[: end.start()]
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip() + "\n"


def split(text: str) -> Corpus:
    """Split a text by position, the first 90 % to learn from; the vocabulary is that part's alone."""
    held_out = int(TRAIN_SHARE * len(text))
    vocabulary = Vocabulary("".join(sorted(set(text[:held_out]))))
    return Corpus(vocabulary.encode(text), held_out, vocabulary)


def code_lengths(log_probabilities: np.ndarray, codes: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return what each character costs, float64[characters], in bits: -log2 of its probability.

    log_probabilities: natural logarithms, float[characters], of the codes that came. An unknown character
    pays for the code `unknown` and then for its choice among all Unicode code points left, evenly, so that
    the probabilities of all texts still sum to 1.
    """
    bits = np.asarray(log_probabilities, np.float64) / -np.log(2)
    others = CODE_POINTS - len(vocabulary.characters)
    return bits + np.where(codes == vocabulary.unknown, np.log2(others), 0.0)
