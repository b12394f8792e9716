"""Draws characters from a text network, one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


@dataclass(frozen=True)
class Sampler:
    """A text network that has read a context.

    step: from the state and the last code, int32[], to the new state and the logits of the next code,
    float32[symbols]; state: before the last code of the context; last_code: that code.
    """

    step: Callable[[Any, Array], tuple[Any, Array]]
    state: Any
    last_code: int


def draw_codes(
    sampler: Sampler, *, temperatures: Sequence[float], length: int, unknown: int, key: Array
) -> np.ndarray:
    """Return the codes that follow the context, int32[temperatures, length].

    Temperature 0 takes the most likely code at each step. Each temperature has its own key. The code
    `unknown` is never drawn, as it stands for no character.
    """

    @partial(jax.jit, static_argnames="length")
    def draw_sample(temperature: Array, key: Array, length: int) -> Array:
        def draw(carry: tuple[Any, Array], key: Array) -> tuple[tuple[Any, Array], Array]:
            state, logits = sampler.step(*carry)
            logits = logits.at[unknown].set(-jnp.inf)
            drawn = jax.random.categorical(key, logits / jnp.maximum(temperature, 1e-6))
            code = jnp.where(temperature > 0, drawn, logits.argmax()).astype(jnp.int32)
            return (state, code), code

        first = (sampler.state, jnp.int32(sampler.last_code))
        return lax.scan(draw, first, jax.random.split(key, length))[1]

    keys = jax.random.split(key, len(temperatures))
    samples = [draw_sample(t, k, length) for t, k in zip(temperatures, keys, strict=True)]
    return np.stack([np.asarray(sample) for sample in samples])
