"""The GRU layer of all recurrent networks, with a backward pass that suits a processor's cache."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

Gates = tuple[Array, Array, Array]
Arrays = tuple[Array, ...]

UNROLL = 1
"""Steps of the recurrence that are compiled as one; `make bench-train` tries more."""


class GruLayer(nnx.Module):
    """One GRU layer as in Keras: `reset_after`, Glorot and orthogonal kernels, two biases.

    The reset gate acts on the product of state and kernel, not on the state. So one product per step serves
    all three gates.
    """

    def __init__(self, features: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.width = width
        self.input_gates = nnx.Linear(
            features, 3 * width, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs
        )
        orthogonal = nnx.initializers.orthogonal()
        self.state_kernel = nnx.Param(orthogonal(rngs.params(), (width, 3 * width), jnp.float32))
        self.state_bias = nnx.Param(jnp.zeros(3 * width))

    def __call__(self, inputs: Array, state: Array, kernel: Array | None = None) -> tuple[Array, Array]:
        """Return the states over time, float32 [steps, batch, width], and the last state.

        inputs: float32 [steps, batch, features]; state: float32 [batch, width], before the first step;
        kernel: replaces the state's kernel, float32 [width, 3 width] (a dropped-out copy, for example).
        """
        kernel = self.state_kernel[...] if kernel is None else kernel
        gates = jnp.split(self.input_gates(inputs), 3, axis=-1)
        outputs = recurrence(lax.optimization_barrier(tuple(gates)), kernel, self.state_bias[...], state)
        return outputs, outputs[-1]


# XLA compiles the arithmetic of a step to vector instructions only where the gates are separate arrays, not
# slices of one array. The barriers keep it from undoing the splits: that makes a step three times as fast.


@jax.custom_vjp
def recurrence(inputs: Gates, kernel: Array, bias: Array, state: Array) -> Array:
    """Return the states of a GRU over time, float32 [steps, batch, width].

    inputs: the input's part of the gates (reset, update, candidate), float32 [steps, batch, width] each;
    kernel: float32 [width, 3 width]; bias: float32 [3 width]; state: float32 [batch, width], the first one.
    The backward pass computes the kernel's gradient as one product over all steps. JAX's own would add up
    one small product per step, and move the kernel through the cache each time.
    """

    def step(state: Array, inputs: Gates) -> tuple[Array, Array]:
        state, _ = _cell(state, inputs, kernel, bias)
        return state, state

    return lax.scan(step, state, inputs, unroll=UNROLL)[1]


def _cell(state: Array, inputs: Gates, kernel: Array, bias: Array) -> tuple[Array, Arrays]:
    """Return the next state, and the gates that the backward pass needs."""
    products = lax.optimization_barrier(state @ kernel) + bias[None]
    state_reset, state_update, state_candidate = jnp.split(products, 3, axis=-1)
    input_reset, input_update, input_candidate = inputs
    reset = jax.nn.sigmoid(input_reset + state_reset)
    update = jax.nn.sigmoid(input_update + state_update)
    candidate = jnp.tanh(input_candidate + reset * state_candidate)
    return candidate + update * (state - candidate), (reset, update, candidate, state_candidate)


def _forward(inputs: Gates, kernel: Array, bias: Array, state: Array) -> tuple[Array, Any]:
    def step(state: Array, inputs: Gates) -> tuple[Array, tuple[Array, Arrays]]:
        state, gates = _cell(state, inputs, kernel, bias)
        return state, (state, gates)

    states, gates = lax.scan(step, state, inputs, unroll=UNROLL)[1]
    previous = jnp.concatenate([state[None], states[:-1]])
    return states, (previous, gates, kernel)


def _backward(saved: Any, gradients: Array) -> tuple[Gates, Array, Array, Array]:
    """Return the gradients of `recurrence`'s arguments from those of its states."""
    previous, gates, kernel = saved
    transposed = kernel.T

    def step(later: Array, step_values: tuple[Array, Array, Arrays]) -> tuple[Array, Arrays]:
        gradient, state, (reset, update, candidate, state_candidate) = step_values
        gradient = gradient + later
        to_candidate = gradient * (1 - update) * (1 - candidate * candidate)
        to_update = gradient * (state - candidate) * update * (1 - update)
        to_reset = to_candidate * state_candidate * reset * (1 - reset)
        to_gates = lax.optimization_barrier((to_reset, to_update, to_candidate, to_candidate * reset))
        to_state = jnp.concatenate([to_gates[0], to_gates[1], to_gates[3]], axis=-1) @ transposed
        return gradient * update + to_state, to_gates

    to_first_state, (to_reset, to_update, to_candidate, to_state_candidate) = lax.scan(
        step, jnp.zeros_like(previous[0]), (gradients, previous, gates), reverse=True, unroll=UNROLL
    )
    flat = jnp.concatenate([to_reset, to_update, to_state_candidate], axis=-1).reshape(-1, kernel.shape[1])
    to_kernel = previous.reshape(-1, kernel.shape[0]).T @ flat
    return (to_reset, to_update, to_candidate), to_kernel, flat.sum(0), to_first_state


recurrence.defvjp(_forward, _backward)
