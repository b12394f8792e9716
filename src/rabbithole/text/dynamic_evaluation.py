"""Dynamic evaluation: the network adapts to the text while it is evaluated on it.

It makes the comparison with a compressor fair, which adapts too. Krause, Kahembwe, Murray and Renals 2018
("Dynamic evaluation of neural sequence models", arXiv:1709.07432, sections 3 and 4): after each chunk, take a
step of gradient descent and move back towards the trained weights. Both are scaled by the root mean square of
each weight's gradients on the train part. A weight with small gradients there needs no change.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text import CharGru, State

CHUNK_CHARACTERS = 8
"""Characters between two steps."""

RATE, PULL, FLOOR = 0.0005, 0.001, 0.3
"""Step size; fraction of the way back to the trained weight after each step, for a weight with average
gradients; and what is added to a weight's relative gradient scale. They were chosen on the end of the train
part, with networks that were trained on the text before it."""


class GradientScale(NamedTuple):
    """Root mean squares of the gradients per chunk.

    average: over all weights; relative: of each weight, divided by the average, a tree like the parameters.
    """

    average: Array
    relative: Any


def dynamic_log_probabilities(
    graph: Any,
    parameters: Any,
    train_codes: Array,
    codes: Array,
    *,
    rate: float = RATE,
    pull: float = PULL,
    floor: float = FLOOR,
) -> np.ndarray:
    """Return the natural log-probability of codes[1:], float32[characters - 1].

    Each character is evaluated before the network adapts to it. The last characters, fewer than a chunk,
    cause no step.
    train_codes: int32[characters], a part of the train text that measures the gradients, one chunk at least.
    """
    scale = _gradient_scale(graph, parameters, *_chunks(train_codes))
    inputs, targets = _chunks(codes)
    chunk_logs, adapted, state = _adapt(graph, parameters, scale, inputs, targets, rate, pull, floor)
    logs = [np.asarray(chunk_logs).reshape(-1)]
    if (rest := inputs.size) < len(codes) - 1:
        network = nnx.merge(graph, adapted)
        losses, _ = character_losses(network, codes[rest:-1, None], codes[rest + 1 :, None], state)
        logs.append(-np.asarray(losses).reshape(-1))
    return np.concatenate(logs)


def character_losses(
    network: CharGru, inputs: Array, targets: Array, state: State, key: Array | None = None
) -> tuple[Array, State]:
    """Return the loss at each step in nats, float32[steps, streams], and the new recurrent state."""
    logits, state = network(inputs, state, key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets), state


def _chunks(codes: Array) -> tuple[Array, Array]:
    """Return inputs and targets, int32[chunks, CHUNK_CHARACTERS, 1]; an incomplete last chunk is left out."""
    chunks = (len(codes) - 1) // CHUNK_CHARACTERS
    inputs, targets = (
        part[: chunks * CHUNK_CHARACTERS].reshape(chunks, CHUNK_CHARACTERS, 1)
        for part in (codes[:-1], codes[1:])
    )
    return inputs, targets


def _chunk_gradients(
    graph: Any, parameters: Any, state: State, inputs: Array, targets: Array
) -> tuple[Any, Any]:
    """Return the gradients of a chunk's summed loss, and (its log-probabilities, the new state)."""

    def loss_fn(parameters: Any) -> Any:
        losses, new_state = character_losses(nnx.merge(graph, parameters), inputs, targets, state)
        return losses.sum(), (-losses, new_state)

    return jax.grad(loss_fn, has_aux=True)(parameters)


@partial(jax.jit, static_argnums=0)
def _gradient_scale(graph: Any, parameters: Any, inputs: Array, targets: Array) -> GradientScale:
    """Measure the gradients of trained weights, which stay as they are."""

    def step(carry: Any, chunk: Any) -> tuple[Any, None]:
        squares, state = carry
        gradients, (_, state) = _chunk_gradients(graph, parameters, state, *chunk)
        return (jax.tree.map(lambda square, gradient: square + gradient**2, squares, gradients), state), None

    first = (jax.tree.map(jnp.zeros_like, parameters), nnx.merge(graph, parameters).initial_state(1))
    (squares, _), _ = lax.scan(step, first, (inputs, targets))
    roots = jax.tree.map(jnp.sqrt, squares)
    leaves = jax.tree.leaves(roots)
    average = sum(leaf.sum() for leaf in leaves) / sum(leaf.size for leaf in leaves)
    return GradientScale(
        average=average / jnp.sqrt(len(inputs)), relative=jax.tree.map(lambda root: root / average, roots)
    )


@partial(jax.jit, static_argnums=0)
def _adapt(
    graph: Any,
    trained: Any,
    scale: GradientScale,
    inputs: Array,
    targets: Array,
    rate: float,
    pull: float,
    floor: float,
) -> tuple[Array, Any, State]:
    """Return log-probabilities, float32[chunks, CHUNK_CHARACTERS, 1], adapted weights and the last state."""

    def adapt(weight: Array, gradient: Array, relative: Array, trained_weight: Array) -> Array:
        descent = rate * gradient / (scale.average * (relative + floor))
        return weight - descent + jnp.minimum(pull * relative, 1.0) * (trained_weight - weight)

    def step(carry: Any, chunk: Any) -> tuple[Any, Array]:
        parameters, state = carry
        gradients, (logs, state) = _chunk_gradients(graph, parameters, state, *chunk)
        return (jax.tree.map(adapt, parameters, gradients, scale.relative, trained), state), logs

    first = (trained, nnx.merge(graph, trained).initial_state(1))
    (adapted, state), logs = lax.scan(step, first, (inputs, targets))
    return logs, adapted, state
