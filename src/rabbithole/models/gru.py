"""A gated recurrent unit (GRU) that reads a session step by step."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from pydantic import Field

from rabbithole.models.gru_layer import GruLayer
from rabbithole.models.layers import NetworkShape, StepHead
from rabbithole.models.settings import NetworkSettings, Search


class Settings(NetworkSettings):
    """A gated recurrent unit (GRU) that reads a session step by step."""

    search: ClassVar[Search] = {**NetworkSettings.search, "width": (16, 64), "dropout": (0.1, 0.3, 0.5)}

    width: int = Field(64, ge=1, le=8192, description="Units of each layer.")
    layers: int = Field(1, ge=1, le=32, description="Stacked layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Fraction of units dropped during training.")


class Model(nnx.Module):
    """Stacked GRU layers over the shared event embedding.

    Inside, time is the first axis: the input's part of the gates is one product over all steps, and the scan
    takes its slices without a copy.
    """

    def __init__(self, settings: Settings, shape: NetworkShape, *, rngs: nnx.Rngs) -> None:
        self.embedding = shape.embedding(settings.embedding_width, rngs=rngs)
        width = settings.width
        inputs = [self.embedding.features] + [width] * (settings.layers - 1)
        self.layers = nnx.List([GruLayer(features, width, rngs=rngs) for features in inputs])
        self.dropout = nnx.Dropout(settings.dropout, broadcast_dims=(0,))
        self.head = StepHead(width, width, shape.outputs, rngs=rngs)

    def __call__(self, codes: Array, numbers: Array, key: Array | None = None) -> Array:
        """Return logits, float32 [batch, steps, outputs], from codes and numbers.

        codes: int32 [batch, steps, categorical]; numbers: float32 [batch, steps, numeric]. Sessions start at
        step 0, padding follows them. With a `key`, dropout is on; its mask is the same at all
        steps of a session.
        """
        keys = jax.random.split(key, len(self.layers) + 1) if key is not None else None

        def drop(values: Array, n: int) -> Array:
            return values if keys is None else self.dropout(values, deterministic=False, rngs=keys[n])

        values = self.embedding(codes.swapaxes(0, 1), numbers.swapaxes(0, 1), time_axis=0)
        values = drop(values, 0)
        for n, layer in enumerate(self.layers):
            values, _ = layer(values, jnp.zeros((values.shape[1], layer.width)))
            values = drop(values, n + 1)
        return self.head(values).swapaxes(0, 1)

    @property
    def step_lags(self) -> tuple[int, ...]:
        """Return which earlier steps' states `step` reads: the last one."""
        return (1,)

    @property
    def step_width(self) -> int:
        """Return the numbers in a step's state: those of all layers."""
        return sum(layer.width for layer in self.layers)

    def step(self, codes: Array, numbers: Array, earlier: Array) -> tuple[Array, Array]:
        """Return the logits after one more event, float32 [batch, outputs], and the step's state.

        codes: int32 [batch, 2, categorical]; numbers: float32 [batch, 2, numeric], of the previous event
        (padding before the first) and of the new one; earlier: float32 [batch, 1, step_width], states at
        `step_lags`, zeros before the first event. The state is float32 [batch, step_width].
        """
        values = self.embedding(codes.swapaxes(0, 1), numbers.swapaxes(0, 1), time_axis=0)[1:]
        states, start = [], 0
        for layer in self.layers:
            values, state = layer(values, earlier[:, 0, start : start + layer.width])
            states.append(state)
            start += layer.width
        return self.head(values)[0], jnp.concatenate(states, axis=-1)
