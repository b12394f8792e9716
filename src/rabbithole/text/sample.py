"""Write on from a sentence of the book, at several temperatures."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rabbithole.errors import UserError
from rabbithole.io.atomic import write_json
from rabbithole.text.checkpoint import load
from rabbithole.text.corpus import read_book
from rabbithole.text.learner import Step

QUOTES = "'\"`\u2018\u2019\u201c\u201d"
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
QUOTE = f"[{QUOTES}]{{1,2}}"


def sample_text(
    *,
    checkpoint: Path,
    text: Path,
    output: Path,
    seed_text: str,
    temperatures: list[float],
    length: int,
    seed: int,
) -> None:
    """Write on from `seed_text`, `length` characters per temperature, and save them as JSON.

    Where the book has the seed text (white space and kinds of quotes aside), the book's own characters up to
    its end come before; else the book's end comes before it, and the terminal says so. Temperature 0 takes
    the likeliest character each time, 1 draws as learned.
    output: {"seed_text", "seed_found", "samples": [{"temperature", "text", "word_share"}]}, see `word_share`.
    """
    network, learner, vocabulary, described = load(checkpoint)
    if described["lower"]:
        seed_text = seed_text.lower()
    book = read_book(text, lower=described["lower"])
    context, found = context_of(book, seed_text)
    if not found:
        print(
            "alice: the seed text does not stand in the book; the window is filled with the book's end",
            flush=True,
        )
    unknown = sorted(set(seed_text) - set(vocabulary.characters) - set(QUOTES + " \n"))
    if unknown:
        print(f"alice: unknown to the model in the seed text: {''.join(unknown)}", flush=True)
    step, state, last = learner.writer(network, described["settings"], vocabulary.encode(context))
    written = write_on(
        step, state, last,
        temperatures=temperatures, length=length, unknown=vocabulary.unknown, key=jax.random.key(seed),
    )  # fmt: skip
    known = words_of(book)
    samples = []
    for temperature, codes in zip(temperatures, written, strict=True):
        made = vocabulary.decode(codes.tolist())
        samples.append(
            {"temperature": temperature, "text": made, "word_share": word_share(seed_text, made, known)}
        )
    write_json(output, {"seed_text": seed_text, "seed_found": found, "samples": samples})


def context_of(book: str, seed_text: str) -> tuple[str, bool]:
    """Return the text to write on from, which ends with the seed text, and whether the book has that."""
    if not seed_text.strip():
        raise UserError("alice.seed_text is empty: give the words to write on from")
    if match := re.search(_loosely(seed_text), book):
        return book[: match.end()], True
    return book + "\n" + seed_text, False


def _loosely(seed_text: str) -> str:
    """Return a pattern of the text in which white space fits any white space, and a quote any quote."""
    pattern = ""
    for part in re.findall(rf"\s+|{QUOTE}|[^\s{QUOTES}]+", seed_text.strip()):
        if part.isspace():
            pattern += r"\s+"
        else:
            pattern += QUOTE if part[0] in QUOTES else re.escape(part)
    return pattern


def write_on(
    step: Step, state: Any, last: int, *, temperatures: list[float], length: int, unknown: int, key: Array
) -> np.ndarray:
    """Return what follows, int32[temperatures, length], drawn with one key per temperature.

    step, state, last: see `Learner.writer`. The code `unknown` is never drawn: it stands for no character.
    """

    @partial(jax.jit, static_argnames="length")
    def write(temperature: Array, key: Array, length: int) -> Array:
        def draw(carry: tuple[Any, Array], key: Array) -> tuple[tuple[Any, Array], Array]:
            state, logits = step(*carry)
            logits = logits.at[unknown].set(-jnp.inf)
            drawn = jax.random.categorical(key, logits / jnp.maximum(temperature, 1e-6))
            code = jnp.where(temperature > 0, drawn, logits.argmax()).astype(jnp.int32)
            return (state, code), code

        return lax.scan(draw, (state, jnp.int32(last)), jax.random.split(key, length))[1]

    keys = jax.random.split(key, len(temperatures))
    return np.stack([np.asarray(write(t, k, length)) for t, k in zip(temperatures, keys, strict=True)])


def words_of(text: str) -> set[str]:
    """Return the words of a text, lower-cased: runs of letters, apostrophes within."""
    return set(WORD.findall(text.lower()))


def word_share(seed_text: str, made: str, known: set[str]) -> float | None:
    """Return the share of the made words that are known; None where no whole word was made.

    The first word may have been begun by the seed text, and is taken whole; the last is left out where the
    text stops within it.
    """
    text = (seed_text + made).lower()
    words = [
        match.group()
        for match in WORD.finditer(text)
        if match.end() > len(seed_text) and match.end() < len(text)
    ]
    return sum(word in known for word in words) / len(words) if words else None
