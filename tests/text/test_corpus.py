"""The book is stripped, split and coded, and its code lengths are those of probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rabbithole.errors import UserError
from rabbithole.text.corpus import Vocabulary, code_lengths, read_book, split, strip

BOOK = "\ufeffThe Project Gutenberg eBook of Alice\r\n\r\n".encode() + (
    b"*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***\r\n\r\n\r\n"
    b"Down the Rabbit-Hole\r\n\r\nAlice was beginning.\r\n\r\n"
    b"*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\r\n\r\nLicence.\r\n"
)

characters = st.sets(st.characters(), min_size=1, max_size=20).map(lambda chosen: "".join(sorted(chosen)))
# A text of its own has no mark of a header and no byte order mark.
bodies = st.text(
    st.characters(exclude_characters="*\ufeff", exclude_categories=["Cs"]) | st.sampled_from("\r\n \t")
)


def test_header_and_footer_are_removed_and_the_text_is_lower_cased_if_wanted(tmp_path):
    (tmp_path / "book.txt").write_bytes(BOOK)
    assert read_book(tmp_path / "book.txt", lower=False) == "Down the Rabbit-Hole\n\nAlice was beginning.\n"
    assert read_book(tmp_path / "book.txt", lower=True) == "down the rabbit-hole\n\nalice was beginning.\n"


@given(
    bodies,
    st.sampled_from(["", "\ufeff", "About\r\n*** START OF THE PROJECT GUTENBERG EBOOK A ***\r\n"]),
    st.sampled_from(["", "\n*** END OF THE PROJECT GUTENBERG EBOOK A ***\nLicence"]),
)
def test_stripping_a_text_twice_is_stripping_it_once(body, header, footer):
    stripped = strip(header + body + footer)
    assert strip(stripped) == stripped
    assert "GUTENBERG" not in stripped and "\r" not in stripped and stripped.endswith("\n")


@pytest.mark.parametrize(
    ("content", "problem"), [(b"caf\xe9", r"not UTF-8 \(byte 3\)"), (b" \r\n\t", "is empty")]
)
def test_a_text_that_is_not_utf_8_or_empty_is_refused(content, problem, tmp_path):
    (tmp_path / "book.txt").write_bytes(content)
    with pytest.raises(UserError, match=problem):
        read_book(tmp_path / "book.txt", lower=True)


def test_the_vocabulary_is_that_of_the_train_part():
    corpus = split("ab" * 45 + "abcabcabca")
    assert corpus.held_out == 90 and corpus.vocabulary.characters == "ab"
    assert corpus.codes[-10:].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


@given(st.data(), characters)
def test_decoding_inverts_encoding_for_known_characters(data, known):
    text = data.draw(st.text(known))
    vocabulary = Vocabulary(known)
    assert vocabulary.decode(vocabulary.encode(text).tolist()) == text
    assert vocabulary.decode([vocabulary.unknown]) == "\ufffd"


def test_code_lengths_are_negative_logarithms_and_an_unknown_character_pays_for_its_choice():
    corpus = split("ab" * 45 + "abcabcabca")
    logs = np.log(np.full(3, 0.25))
    bits = code_lengths(logs, np.array([0, 1, 2]), corpus.vocabulary)
    assert bits.tolist() == pytest.approx([2, 2, 2 + np.log2(0x110000 - 2)])


@given(st.data(), characters)
def test_the_code_lengths_of_all_characters_sum_to_a_probability(data, known):
    vocabulary = Vocabulary(known)
    logits = st.floats(-30, 30)
    drawn = np.array(data.draw(st.lists(logits, min_size=vocabulary.symbols, max_size=vocabulary.symbols)))
    logs = drawn - np.logaddexp.reduce(drawn)
    probabilities = 2.0 ** -code_lengths(logs, np.arange(vocabulary.symbols), vocabulary)
    unknown_characters = 0x110000 - len(known)
    total = probabilities[:-1].sum() + unknown_characters * probabilities[-1]
    assert total <= 1 + 1e-9 and total == pytest.approx(1)
