"""Dynamic evaluation: a reader that goes on learning from what it has just been judged on.

The fair rival of a compressor, which adapts as it goes. Krause, Kahembwe, Murray and Renals 2018 ("Dynamic
evaluation of neural sequence models", arXiv:1709.07432, sections 3 and 4): after each chunk a step of
gradient descent, and a pull back to what was learned in training. Both are scaled by the root mean square
that each weight's slope has on text that was learned: where it is small, nothing asked for other weights.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text.char_gru import CharGru, State

CHUNK = 8
"""Characters between two steps."""

RATE, PULL, FLOOR = 0.0005, 0.001, 0.3
"""Step size, the share of the way back to the trained weights after each step (of a weight whose slopes are
average), and what is added to the slopes' scale, in shares of its average. Chosen on the end of the part that
is learned from, by networks that had learned all before it."""


def adapting_log_probabilities(
    graph: Any,
    parameters: Any,
    learned: Array,
    codes: Array,
    *,
    rate: float = RATE,
    pull: float = PULL,
    floor: float = FLOOR,
) -> np.ndarray:
    """Return the natural logarithm of the probability of codes[1:], float32[characters - 1].

    Each is judged before it is learned from. The last few, fewer than a chunk, are judged without a step.
    learned: int32[characters], text from training on which the slopes are measured, at least one chunk.
    """
    scale = _scale(graph, parameters, *_chunks(learned))
    inputs, targets = _chunks(codes)
    found, adapted, state = _adapt(graph, parameters, scale, inputs, targets, rate, pull, floor)
    logs = [np.asarray(found).reshape(-1)]
    if (cut := inputs.size) < len(codes) - 1:
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


def _chunks(codes: Array) -> tuple[Array, Array]:
    """Return inputs and targets, int32[chunks, CHUNK, 1], without the last few that fill no chunk."""
    chunks = (len(codes) - 1) // CHUNK
    inputs, targets = (part[: chunks * CHUNK].reshape(chunks, CHUNK, 1) for part in (codes[:-1], codes[1:]))
    return inputs, targets


def _slopes(graph: Any, parameters: Any, state: State, inputs: Array, targets: Array) -> tuple[Any, Any]:
    """Return the derivative of a chunk's loss, its log-probabilities and the state after it."""

    def loss_of(parameters: Any) -> Any:
        losses, after = step_losses(nnx.merge(graph, parameters), inputs, targets, state)
        return losses.sum(), (-losses, after)

    return jax.grad(loss_of, has_aux=True)(parameters)


@partial(jax.jit, static_argnums=0)
def _scale(graph: Any, parameters: Any, inputs: Array, targets: Array) -> Any:
    """Return the root mean square of each weight's slopes, in shares of the average over all weights."""

    def step(carry: Any, given: Any) -> tuple[Any, None]:
        squares, state = carry
        slopes, (_, state) = _slopes(graph, parameters, state, *given)
        return (jax.tree.map(lambda sum_, slope: sum_ + slope**2, squares, slopes), state), None

    begin = (jax.tree.map(jnp.zeros_like, parameters), nnx.merge(graph, parameters).initial_state(1))
    (squares, _), _ = lax.scan(step, begin, (inputs, targets))
    roots = jax.tree.map(jnp.sqrt, squares)
    leaves = jax.tree.leaves(roots)
    average = sum(leaf.sum() for leaf in leaves) / sum(leaf.size for leaf in leaves)
    # The unit of the rate is that of a slope's root mean square.
    return {
        "unit": average / jnp.sqrt(len(inputs)),
        "shares": jax.tree.map(lambda root: root / average, roots),
    }


@partial(jax.jit, static_argnums=0)
def _adapt(
    graph: Any,
    trained: Any,
    scale: Any,
    inputs: Array,
    targets: Array,
    rate: float,
    pull: float,
    floor: float,
) -> tuple[Array, Any, Any]:
    def follow(weight: Array, slope: Array, share: Array, then: Array) -> Array:
        down = rate * slope / (scale["unit"] * (share + floor))
        return weight - down + jnp.minimum(pull * share, 1.0) * (then - weight)

    def step(carry: Any, given: Any) -> tuple[Any, Array]:
        parameters, state = carry
        slopes, (logs, state) = _slopes(graph, parameters, state, *given)
        return (jax.tree.map(follow, parameters, slopes, scale["shares"], trained), state), logs

    begin = (trained, nnx.merge(graph, trained).initial_state(1))
    (adapted, state), found = lax.scan(step, begin, (inputs, targets))
    return found, adapted, state
