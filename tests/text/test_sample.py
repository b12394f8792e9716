"""Samples continue the seed text, and the seed decides them."""

import logging
from pathlib import Path

import pytest

from rabbithole.artifacts.text import TextSamples
from rabbithole.errors import UserError
from rabbithole.specs.text import SampleTextSpec
from rabbithole.text.sample import find_context, sample_text, word_share, words_of


def sample(
    trained: Path, model: str, output: Path, *, seed: int, seed_text: str = "The cat sat"
) -> TextSamples:
    """Sample 60 characters at three temperatures."""
    spec = SampleTextSpec(seed_text=seed_text, temperatures=(0.0, 0.5, 20.0), length=60, seed=seed)
    sample_text(spec, checkpoint=trained / model / "checkpoint", text=trained / "book.txt", output=output)
    samples = TextSamples.read(output)
    assert [row.temperature for row in samples.samples] == [0.0, 0.5, 20.0]
    assert all(len(row.text) == 60 for row in samples.samples)
    return samples


@pytest.mark.slow
def test_samples_depend_on_the_seed_and_the_temperature(trained, tmp_path, line):
    runs = [sample(trained, "char_gru", tmp_path / "samples.json", seed=seed) for seed in (0, 0, 1)]
    assert all(run.seed_found for run in runs)
    first, again, other = ([row.text for row in run.samples] for run in runs)
    assert first == again
    # The most likely characters do not depend on the seed, and the model knows the book by heart.
    assert first[0] == other[0] == (line * 3)[11:71]
    # At a high temperature characters are nearly uniform.
    assert first[2] != other[2] and len(set(first[2])) > 12
    assert sample(trained, "deck", tmp_path / "deck.json", seed=0).seed_found


@pytest.mark.slow
def test_a_seed_text_that_is_not_in_the_book_is_logged_with_its_unknown_characters(trained, tmp_path, caplog):
    caplog.set_level(logging.INFO, "rabbithole")
    samples = sample(trained, "deck", tmp_path / "samples.json", seed=0, seed_text="The QUIZ?")
    assert not samples.seed_found and samples.seed_text == "the quiz?"
    assert caplog.messages == [
        "alice: the book does not contain the seed text; the model reads the book's end before it",
        "alice: the model does not know these characters of the seed text: ?iquz",
    ]


def test_the_book_s_own_characters_precede_the_sample():
    book = 'she said:\n"well, perhaps\nnot" and went'
    assert find_context(book, "'well, perhaps not'") == ('she said:\n"well, perhaps\nnot"', True)
    assert find_context(book, "never said") == (book + "\nnever said", False)
    with pytest.raises(UserError, match="seed_text is empty"):
        find_context(book, " \n")


def test_the_word_share_counts_complete_words_only():
    book_words = words_of("the cat sat; don't")
    assert word_share("the c", "at sat on don't th", book_words) == pytest.approx(3 / 4)
    assert word_share("the", "mselve", book_words) is None
