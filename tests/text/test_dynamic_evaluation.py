"""Dynamic evaluation predicts each character before it adapts to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rabbithole.models.text import CharGru
from rabbithole.text.dynamic_evaluation import dynamic_log_probabilities


@pytest.mark.slow
def test_dynamic_evaluation_adapts_to_the_text_and_never_to_later_characters():
    network = CharGru(
        symbols=9, embedding_width=4, width=6, layers=1, embedding_dropout=0.5, dropout=0.5,
        kernel_dropout=0.5, rngs=nnx.Rngs(0),
    )  # fmt: skip
    graph, parameters = nnx.split(network, nnx.Param)
    rng = np.random.default_rng(0)
    train_codes, codes = jnp.array(rng.integers(0, 9, 400)), jnp.array(rng.integers(0, 4, 203))

    def evaluate(codes: jax.Array, rate: float) -> np.ndarray:
        return dynamic_log_probabilities(graph, parameters, train_codes, codes, rate=rate, pull=0.0)

    logits, _ = network(codes[:-1, None], network.initial_state(1))
    static = jax.nn.log_softmax(logits[:, 0])[jnp.arange(202), codes[1:]]
    np.testing.assert_allclose(evaluate(codes, 0.0), static, atol=1e-5)
    dynamic = evaluate(codes, 0.01)
    # Only four of the nine characters occur: a network that adapts learns that.
    assert dynamic[100:].mean() > static[100:].mean() + 0.2
    other = evaluate(codes.at[120:].set(8), 0.01)
    np.testing.assert_allclose(other[:119], dynamic[:119], atol=1e-5)
