"""Dynamic evaluation: a reader that goes on learning from what it has just been judged on.

The fair rival of a compressor, which adapts as it goes. Krause, Kahembwe, Murray and Renals 2018 ("Dynamic
evaluation of neural sequence models", arXiv:1709.07432, sections 3 and 4.2): after each chunk a step of
gradient descent, and a pull back to what was learned in training.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.char_gru import CharGru, State

CHUNK = 8
"""Characters between two steps."""

RATE, PULL = 0.003, 0.001
"""Step size, and the share of the way back to the trained weights after each step. Chosen on the end of the
part that is learned from, by a network that had learned all before it."""


def adapting_log_probabilities(
    graph: Any, parameters: Any, codes: Array, *, rate: float = RATE, pull: float = PULL
) -> np.ndarray:
    """Return the natural logarithm of the probability of codes[1:], float32[characters - 1].

    Each is judged before it is learned from. The last few, fewer than a chunk, are judged without a step.
    """
    chunks = (len(codes) - 1) // CHUNK
    cut = chunks * CHUNK
    inputs, targets = (part[:cut].reshape(chunks, CHUNK, 1) for part in (codes[:-1], codes[1:]))
    found, adapted, state = _adapt(graph, parameters, inputs, targets, rate, pull)
    logs = [np.asarray(found).reshape(-1)]
    if cut < len(codes) - 1:
        network = nnx.merge(graph, adapted)
        losses, _ = step_losses(network, codes[cut:-1, None], codes[cut + 1 :, None], state)
        logs.append(-np.asarray(losses).reshape(-1))
    return np.concatenate(logs)


def step_losses(
    network: CharGru, inputs: Array, targets: Array, state: State, key: Array | None = None
) -> Any:
    """Return each step's loss in nats, float32[steps, streams], and the state to go on from."""
    logits, state = network(inputs, state, key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets), state


@partial(jax.jit, static_argnums=0)
def _adapt(
    graph: Any, trained: Any, inputs: Array, targets: Array, rate: float, pull: float
) -> tuple[Array, Any, Any]:
    def loss_of(parameters: Any, state: Any, inputs: Array, targets: Array) -> Any:
        losses, state = step_losses(nnx.merge(graph, parameters), inputs, targets, state)
        return losses.sum(), (losses, state)

    def step(carry: Any, given: Any) -> tuple[Any, Array]:
        parameters, state = carry
        slopes, (losses, state) = jax.grad(loss_of, has_aux=True)(parameters, state, *given)
        parameters = jax.tree.map(
            lambda now, slope, then: now - rate * slope + pull * (then - now), parameters, slopes, trained
        )
        return (parameters, state), -losses

    begin = (trained, nnx.merge(graph, trained).initial_state(1))
    (adapted, state), found = lax.scan(step, begin, (inputs, targets))
    return found, adapted, state
