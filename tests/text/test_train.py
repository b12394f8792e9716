"""Both text models learn, and the metrics are those of the held-out part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rabbithole.artifacts.text import TextHistory, TextMetrics
from rabbithole.text.checkpoint import load
from rabbithole.text.corpus import Vocabulary, code_lengths, read_book, split

pytestmark = pytest.mark.slow


def test_the_gru_learns_a_text_that_repeats(trained, line):
    metrics = TextMetrics.read(trained / "char_gru/metrics.json")
    assert metrics.bits_per_character < 0.3
    # The line end that closes the text is a character too.
    assert metrics.characters == len((line * 60).rstrip()) + 1


def test_the_deck_is_better_than_the_frequencies_of_the_characters(trained, line):
    codes = split(line * 60).codes
    shares = np.bincount(codes) / len(codes)
    entropy = -(shares * np.log2(shares)).sum()
    assert TextMetrics.read(trained / "deck/metrics.json").bits_per_character < entropy


@pytest.mark.parametrize(("model", "epochs"), [("deck", 2), ("char_gru", 6)])
def test_the_history_has_every_epoch_and_the_metrics_are_those_of_the_last(model, epochs, trained):
    history = TextHistory.read(trained / model / "history.json")
    metrics = TextMetrics.read(trained / model / "metrics.json")
    assert [row.epoch for row in history.epochs] == list(range(1, epochs + 1))
    assert len(history.seconds) == metrics.epochs == epochs
    assert metrics.bits_per_character == history.epochs[-1].held_out_bits
    assert (metrics.dynamic_bits_per_character is None) == (model == "deck")


def test_the_bits_are_those_of_the_held_out_part_read_from_the_start_of_the_book(trained):
    network, description = load(trained / "char_gru/checkpoint")
    corpus = split(read_book(trained / "book.txt", lower=True))
    logits, _ = network(jnp.asarray(corpus.codes[:-1, None]), network.initial_state(1))
    logs = jax.nn.log_softmax(logits[:, 0])[jnp.arange(len(corpus.codes) - 1), corpus.codes[1:]]
    vocabulary = Vocabulary(description.characters)
    bits = code_lengths(np.asarray(logs)[corpus.held_out - 1 :], corpus.codes[corpus.held_out :], vocabulary)
    metrics = TextMetrics.read(trained / "char_gru/metrics.json")
    assert metrics.bits_per_character == pytest.approx(bits.mean(), rel=1e-3)
    assert metrics.held_out_characters == len(bits)
