"""The purchase objective's loss, against the sum written out."""

import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from rabbithole.training.purchase import purchase_losses


def test_a_session_s_prefixes_share_its_weight_by_one_over_k():
    """Logits differ by step and column; of two sessions, one weighs 3."""
    logits = jnp.array(np.random.default_rng(0).normal(size=(2, 3, 2)), jnp.float32)
    labels, lengths, weights = (np.array(values) for values in ([1.0, 0.0], [3, 2], [1.0, 3.0]))

    def cost(logit, label):
        return -np.log(expit(logit)) if label else -np.log(1 - expit(logit))

    expected = ended = 0.0
    for n in range(2):
        end = cost(float(logits[n, lengths[n] - 1, 1]), labels[n])
        ended += weights[n] * end
        prefixes = sum(cost(float(logits[n, k - 1, 0]), labels[n]) / k for k in range(1, lengths[n] + 1))
        expected += weights[n] * (0.5 * end + 0.5 * prefixes)
    arguments = (logits, jnp.array(labels), jnp.array(lengths), jnp.array(weights))
    assert np.allclose(purchase_losses(*arguments, prefixes=True), (expected, ended), rtol=1e-5)
    assert np.allclose(purchase_losses(*arguments, prefixes=False), (ended, ended), rtol=1e-5)
