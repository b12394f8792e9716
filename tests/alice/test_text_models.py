"""The two ways of learning a text: what they see, what they learn, what they write."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rabbithole.models.text.char_gru import CharGru
from rabbithole.models.text.deck import CharDeck
from rabbithole.text.checkpoint import load
from rabbithole.text.corpus import code_lengths, read_book, split
from rabbithole.text.dynamic_evaluation import adapting_log_probabilities
from rabbithole.text.sample import context_of, sample_text, word_share, words_of
from rabbithole.text.train import train_text

LINE = "the cat sat on the mat; the dog ran to the log. "
SETTINGS: dict[str, dict[str, Any]] = {
    "deck": {
        "window": 20, "width": 12, "dropout": 0.0, "learning_rate": 0.02, "batch_size": 32, "epochs": 2,
    },
    "char_gru": {
        "embedding_width": 8, "width": 32, "layers": 1, "embedding_dropout": 0.0, "dropout": 0.0,
        "kernel_dropout": 0.0, "learning_rate": 0.02, "weight_decay": 0.0, "batch_size": 4, "steps": 16,
        "epochs": 6,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a text and both models trained on it."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "book.txt").write_text(LINE * 60)
    for model, settings in SETTINGS.items():
        train_text(
            model=model, text=folder / "book.txt", output=folder / model,
            history=folder / f"{model}-history.json", metrics=folder / f"{model}.json", settings=settings,
            lower=True, seed=0, code="", resume=folder / "resume", checkpoint_minutes=60.0,
        )  # fmt: skip
    return folder


def small_gru(*, layers: int) -> CharGru:
    """Return an untrained network of nine symbols that drops half of all while it learns."""
    return CharGru(
        symbols=9, embedding_width=4, width=6, layers=layers, embedding_dropout=0.5, dropout=0.5,
        kernel_dropout=0.5, rngs=nnx.Rngs(0),
    )  # fmt: skip


def test_the_gru_learns_a_text_that_repeats(learned):
    metrics = json.loads((learned / "char_gru.json").read_text())
    assert metrics["bits_per_character"] < 0.3
    # The line end that closes the text is a character too.
    assert metrics["characters"] == len((LINE * 60).rstrip()) + 1


def test_the_deck_learns_more_than_nothing(learned):
    codes = split(LINE * 60).codes
    shares = np.bincount(codes) / len(codes)
    by_frequency = -(shares * np.log2(shares)).sum()
    assert json.loads((learned / "deck.json").read_text())["bits_per_character"] < by_frequency


def test_bits_are_those_of_the_held_out_part_read_from_the_book_s_start(learned):
    network, _, vocabulary, _ = load(learned / "char_gru")
    corpus = split(read_book(learned / "book.txt", lower=True))
    logits, _ = network(jnp.asarray(corpus.codes[:-1, None]), network.initial_state(1))
    logs = jax.nn.log_softmax(logits[:, 0])[jnp.arange(len(corpus.codes) - 1), corpus.codes[1:]]
    bits = code_lengths(np.asarray(logs)[corpus.held_out - 1 :], corpus.codes[corpus.held_out :], vocabulary)
    metrics = json.loads((learned / "char_gru.json").read_text())
    assert metrics["bits_per_character"] == pytest.approx(bits.mean(), rel=1e-3)
    assert metrics["held_out_characters"] == len(bits)


def test_who_learns_on_is_judged_before_it_learns_and_forgets_nothing_of_the_book():
    network = small_gru(layers=1)
    graph, parameters = nnx.split(network, nnx.Param)
    random = np.random.default_rng(0)
    learned, codes = jnp.array(random.integers(0, 9, 400)), jnp.array(random.integers(0, 4, 203))

    def judged(codes: jax.Array, rate: float) -> np.ndarray:
        return adapting_log_probabilities(graph, parameters, learned, codes, rate=rate, pull=0.0)

    logits, _ = network(codes[:-1, None], network.initial_state(1))
    plain = jax.nn.log_softmax(logits[:, 0])[jnp.arange(202), codes[1:]]
    np.testing.assert_allclose(judged(codes, 0.0), plain, atol=1e-5)
    learning = judged(codes, 0.01)
    # Only four of nine characters ever come: who learns on finds out.
    assert learning[100:].mean() > plain[100:].mean() + 0.2
    other = judged(codes.at[120:].set(8), 0.01)
    np.testing.assert_allclose(other[:119], learning[:119], atol=1e-5)


def test_the_gru_reads_no_character_ahead_and_goes_on_from_its_state():
    network = small_gru(layers=2)
    codes = jnp.array(np.random.default_rng(0).integers(0, 9, (10, 3)))
    whole, last = network(codes, network.initial_state(3))
    first, state = network(codes[:6], network.initial_state(3))
    second, end = network(codes[6:], state)
    np.testing.assert_allclose(jnp.concatenate([first, second]), whole, atol=1e-6)
    np.testing.assert_allclose(end[1], last[1], atol=1e-6)
    assert np.abs(network(codes[6:], network.initial_state(3))[0] - second).max() > 1e-4


def test_the_deck_sees_one_number_a_step_from_0_to_1():
    network = CharDeck(symbols=9, width=4, dropout=0.0, rngs=nnx.Rngs(0))
    codes = np.array([[0], [8], [4]])
    _, state = network.gru(jnp.array([[[0.0]], [[1.0]], [[0.5]]]), jnp.zeros((1, 4)))
    np.testing.assert_allclose(network(jnp.array(codes)), network.head(state), atol=1e-6)


def test_samples_follow_the_seed_and_the_temperature(learned, tmp_path):
    def sample(model: str, name: str, seed: int) -> list[str]:
        output = tmp_path / name
        sample_text(
            checkpoint=learned / model, text=learned / "book.txt", output=output, seed_text="The cat sat",
            temperatures=[0.0, 0.5, 20.0], length=60, seed=seed,
        )  # fmt: skip
        found = json.loads(output.read_text())
        assert found["seed_found"] and [row["temperature"] for row in found["samples"]] == [0.0, 0.5, 20.0]
        assert all(len(row["text"]) == 60 for row in found["samples"])
        return [row["text"] for row in found["samples"]]

    first, again, other = (sample("char_gru", name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first == again
    # The likeliest character each time does not depend on the seed, and the book is known by heart.
    assert first[0] == other[0] == (LINE * 3)[11:71]
    # At a high temperature characters come nearly evenly.
    assert first[2] != other[2] and len(set(first[2])) > 12
    assert len(sample("deck", "d", 0)[1]) == 60


def test_the_book_s_own_characters_come_before_the_seed_text():
    book = 'she said:\n"well, perhaps\nnot" and went'
    assert context_of(book, "'well, perhaps not'") == ('she said:\n"well, perhaps\nnot"', True)
    assert context_of(book, "never said") == (book + "\nnever said", False)


def test_the_share_of_words_counts_whole_words_alone():
    known = words_of("the cat sat; don't")
    assert word_share("the c", "at sat on don't th", known) == pytest.approx(3 / 4)
    assert word_share("the", "mselve", known) is None
