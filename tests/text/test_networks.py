"""What the text networks compute."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rabbithole.models.text import CharDeck, CharGru


def test_the_gru_reads_no_character_ahead_and_continues_from_its_state():
    network = CharGru(
        symbols=9, embedding_width=4, width=6, layers=2, embedding_dropout=0.5, dropout=0.5,
        kernel_dropout=0.5, rngs=nnx.Rngs(0),
    )  # fmt: skip
    codes = jnp.array(np.random.default_rng(0).integers(0, 9, (10, 3)))
    logits, last = network(codes, network.initial_state(3))
    first, state = network(codes[:6], network.initial_state(3))
    second, end = network(codes[6:], state)
    np.testing.assert_allclose(jnp.concatenate([first, second]), logits, atol=1e-6)
    np.testing.assert_allclose(end[1], last[1], atol=1e-6)
    assert np.abs(network(codes[6:], network.initial_state(3))[0] - second).max() > 1e-4


def test_the_deck_reads_one_number_from_0_to_1_per_step():
    network = CharDeck(symbols=9, width=4, dropout=0.0, rngs=nnx.Rngs(0))
    codes = np.array([[0], [8], [4]])
    _, state = network.gru(jnp.array([[[0.0]], [[1.0]], [[0.5]]]), jnp.zeros((1, 4)))
    np.testing.assert_allclose(network(jnp.array(codes)), network.head(state), atol=1e-6)
