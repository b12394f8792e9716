"""The step `sample_text`: continues a sentence of the book with a trained model, at several temperatures."""

import logging
import re
from pathlib import Path

import jax

from rabbithole.artifacts.text import TextSample, TextSamples
from rabbithole.errors import UserError
from rabbithole.specs.text import SampleTextSpec
from rabbithole.text.checkpoint import load, text_model
from rabbithole.text.corpus import Vocabulary, read_book
from rabbithole.text.trainer import draw_codes

QUOTES = "'\"`\u2018\u2019\u201c\u201d"
QUOTE = f"[{QUOTES}]{{1,2}}"
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

LOGGER = logging.getLogger("rabbithole")


def sample_text(spec: SampleTextSpec, *, checkpoint: Path, text: Path, output: Path) -> None:
    """Continue the seed text once per temperature, and write the samples (`TextSamples`).

    If the book contains the seed text (see `find_context`), the model reads the book up to its end first.
    Otherwise it reads the end of the book and then the seed text, which is logged. Temperature 0 takes the
    most likely character at each step; 1 samples from the predicted distribution.
    """
    network, description = load(checkpoint)
    vocabulary = Vocabulary(description.characters)
    seed_text = spec.seed_text.lower() if description.lower else spec.seed_text
    book = read_book(text, lower=description.lower)
    context, seed_found = find_context(book, seed_text)
    if not seed_found:
        LOGGER.info(
            "alice: the book does not contain the seed text; the model reads the book's end before it"
        )
    if unknown := sorted(set(seed_text) - set(vocabulary.characters) - set(QUOTES + " \n")):
        LOGGER.info("alice: the model does not know these characters of the seed text: %s", "".join(unknown))
    model = text_model(description.model)
    codes = draw_codes(
        model.sampler(network, description.settings, vocabulary.encode(context)),
        temperatures=spec.temperatures,
        length=spec.length,
        unknown=vocabulary.unknown,
        key=jax.random.key(spec.seed),
    )
    book_words = words_of(book)
    samples = []
    for temperature, sample_codes in zip(spec.temperatures, codes, strict=True):
        sample = vocabulary.decode(sample_codes.tolist())
        share = word_share(seed_text, sample, book_words)
        samples.append(TextSample(temperature=temperature, text=sample, word_share=share))
    TextSamples(seed_text=seed_text, seed_found=seed_found, samples=samples).write(output)


def find_context(book: str, seed_text: str) -> tuple[str, bool]:
    """Return the text to continue, which ends with the seed text, and whether the book contains it.

    White space matches any white space and a quote any quote; the context has the book's own characters.
    """
    if not seed_text.strip():
        raise UserError("alice.seed_text is empty: give the words that the samples continue")
    if match := re.search(_pattern(seed_text), book):
        return book[: match.end()], True
    return book + "\n" + seed_text, False


def _pattern(seed_text: str) -> str:
    """Return the regular expression with which `find_context` searches."""
    pattern = ""
    for part in re.findall(rf"\s+|{QUOTE}|[^\s{QUOTES}]+", seed_text.strip()):
        if part.isspace():
            pattern += r"\s+"
        else:
            pattern += QUOTE if part[0] in QUOTES else re.escape(part)
    return pattern


def words_of(text: str) -> set[str]:
    """Return the words of a text, lower-cased: runs of letters, with apostrophes inside."""
    return set(WORD.findall(text.lower()))


def word_share(seed_text: str, sample: str, book_words: set[str]) -> float | None:
    """Return the fraction of the sample's words that are words of the book, None if it has no complete word.

    The first word may start in the seed text. A word at the very end does not count: it may be cut off.
    """
    text = (seed_text + sample).lower()
    words = [
        match.group()
        for match in WORD.finditer(text)
        if match.end() > len(seed_text) and match.end() < len(text)
    ]
    return sum(word in book_words for word in words) / len(words) if words else None
