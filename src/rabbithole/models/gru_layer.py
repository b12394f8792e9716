"""The gated recurrent unit of all recurrent networks, with a backward pass that suits a processor's cache."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

Gates = tuple[Array, Array, Array]

UNROLLED = 1
"""Steps of the recurrence that are compiled as one; `make bench-train` tries more."""


class GruLayer(nnx.Module):
    """One GRU layer, as Keras makes it: `reset_after`, glorot and orthogonal kernels, both biases.

    The reset gate acts on the product of state and kernel, not on the state, so that one product per step
    serves all three gates.
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
        """Return the states over time, float32[steps, batch, width], and the last of them.

        inputs: float32[steps, batch, features]; state: float32[batch, width], before the first step;
        kernel: what takes the place of the state's own kernel, of the same shape.
        """
        kernel = self.state_kernel[...] if kernel is None else kernel
        gates = jnp.split(self.input_gates(inputs), 3, axis=-1)
        outputs = recurrence(lax.optimization_barrier(tuple(gates)), kernel, self.state_bias[...], state)
        return outputs, outputs[-1]


# XLA compiles the arithmetic of a step to vector instructions only where the gates are arrays of their own,
# not slices of one: the barriers keep it from undoing the splits. That is worth a factor of three.


@jax.custom_vjp
def recurrence(inputs: Gates, kernel: Array, bias: Array, state: Array) -> Array:
    """Return the states of a GRU over time, float32[steps, batch, width].

    inputs: the input's part of the gates (reset, update, candidate), float32[steps, batch, width] each;
    kernel: float32[width, 3 width]; bias: float32[3 width]; state: float32[batch, width], at first.
    The derivative of the kernel is one product over all steps at once; left to itself, JAX would add up
    one small product per step, and move the whole kernel through the cache each time.
    """

    def step(state: Array, inputs: Gates) -> tuple[Array, Array]:
        state, _ = _cell(state, inputs, kernel, bias)
        return state, state

    return lax.scan(step, state, inputs, unroll=UNROLLED)[1]


def _cell(state: Array, inputs: Gates, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, ...]]:
    """Take one step; return the new state and the gates that its derivative needs."""
    products = lax.optimization_barrier(state @ kernel) + bias
    state_reset, state_update, state_new = jnp.split(products, 3, axis=-1)
    input_reset, input_update, input_new = inputs
    reset = jax.nn.sigmoid(input_reset + state_reset)
    update = jax.nn.sigmoid(input_update + state_update)
    new = jnp.tanh(input_new + reset * state_new)
    return new + update * (state - new), (reset, update, new, state_new)


def _forward(inputs: Gates, kernel: Array, bias: Array, state: Array) -> tuple[Array, Any]:
    def step(state: Array, inputs: Gates) -> tuple[Array, tuple[Array, tuple[Array, ...]]]:
        state, gates = _cell(state, inputs, kernel, bias)
        return state, (state, gates)

    states, gates = lax.scan(step, state, inputs, unroll=UNROLLED)[1]
    before = jnp.concatenate([state[None], states[:-1]])
    return states, (before, gates, kernel)


def _backward(saved: Any, slopes: Array) -> tuple[Gates, Array, Array, Array]:
    before, gates, kernel = saved
    transposed = kernel.T

    def step(later: Array, at: tuple[Array, Array, tuple[Array, ...]]) -> tuple[Array, tuple[Array, ...]]:
        slope, state, (reset, update, new, state_new) = at
        slope = slope + later
        slope_new = slope * (1 - update) * (1 - new * new)
        slope_update = slope * (state - new) * update * (1 - update)
        slope_reset = slope_new * state_new * reset * (1 - reset)
        slopes = lax.optimization_barrier((slope_reset, slope_update, slope_new, slope_new * reset))
        to_state = jnp.concatenate([slopes[0], slopes[1], slopes[3]], axis=-1) @ transposed
        return slope * update + to_state, slopes

    first, slopes_of_gates = lax.scan(
        step, jnp.zeros_like(before[0]), (slopes, before, gates), reverse=True, unroll=UNROLLED
    )
    reset, update, new, state_new = slopes_of_gates
    flat = jnp.concatenate([reset, update, state_new], axis=-1).reshape(-1, kernel.shape[1])
    to_kernel = before.reshape(-1, kernel.shape[0]).T @ flat
    return (reset, update, new), to_kernel, flat.sum(0), first


recurrence.defvjp(_forward, _backward)
