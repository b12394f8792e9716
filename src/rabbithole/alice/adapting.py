"""Dynamic evaluation: a reader that goes on learning from what it has just been judged on.

The fair rival of a compressor, which adapts as it goes. Krause, Kahembwe, Murray and Renals 2018 ("Dynamic
evaluation of neural sequence models", arXiv:1709.07432, section 4): after each chunk a step down its slope,
scaled by how large slopes were in training, and a pull back to what was learned there.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

CHUNK = 8
"""Characters between two steps."""

RATE, PULL = 0.0005, 0.005
"""Step size, and the share of the way back to the trained weights after each step; both were chosen on the end
of the part that is learned from."""


def adapting_log_probabilities(
    graph: Any, parameters: Any, sizes: Any, codes: np.ndarray, *, rate: float = RATE, pull: float = PULL
) -> np.ndarray:
    """Return the natural logarithm of the probability of codes[1:], float32[characters - 1].

    Each is judged before it is learned from. sizes: the root mean square of each weight's slopes in training,
    a tree like `parameters`. The last few characters, fewer than a chunk, are judged without a step.
    """
    chunks = (len(codes) - 1) // CHUNK
    cut = chunks * CHUNK
    inputs, targets = (part[:cut].reshape(chunks, CHUNK, 1) for part in (codes[:-1], codes[1:]))
    found, state, adapted = _adapt(graph, parameters, sizes, inputs, targets, rate, pull)
    rest = _judge(graph, adapted, codes[cut:-1, None], codes[cut + 1 :, None], state)
    return np.concatenate([np.asarray(found).reshape(-1), np.asarray(rest).reshape(-1)])


def _losses(graph: Any, parameters: Any, inputs: Array, targets: Array, state: Any) -> Any:
    logits, state = nnx.merge(graph, parameters)(inputs, state)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets), state


@partial(jax.jit, static_argnums=0)
def _judge(graph: Any, parameters: Any, inputs: Array, targets: Array, state: Any) -> Array:
    return -_losses(graph, parameters, inputs, targets, state)[0]


@partial(jax.jit, static_argnums=0)
def _adapt(
    graph: Any, trained: Any, sizes: Any, inputs: Array, targets: Array, rate: float, pull: float
) -> tuple[Array, Any, Any]:
    def loss_of(parameters: Any, state: Any, inputs: Array, targets: Array) -> Any:
        losses, state = _losses(graph, parameters, inputs, targets, state)
        return losses.sum(), (losses, state)

    def step(carry: Any, given: Any) -> tuple[Any, Array]:
        parameters, state = carry
        slopes, (losses, state) = jax.grad(loss_of, has_aux=True)(parameters, state, *given)
        parameters = jax.tree.map(
            lambda now, slope, size, then: now - rate * slope / (size + 1e-6) + pull * (then - now),
            parameters, slopes, sizes, trained,
        )  # fmt: skip
        return (parameters, state), -losses

    state = nnx.merge(graph, trained).initial_state(1)
    (adapted, state), found = lax.scan(step, (trained, state), (inputs, targets))
    return found, state, adapted
