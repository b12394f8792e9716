"""Causal convolutions whose dilation grows until they cover the window (WaveNet, arXiv:1609.03499)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from pydantic import Field

from rabbithole.models.layers import NetworkShape, StepHead
from rabbithole.models.settings import NetworkSettings, Search

TAPS = 5
"""Steps that one convolution reads. With two, as in WaveNet, 100 steps take seven layers instead of three:
twice the time, and no better AUC here."""


class Settings(NetworkSettings):
    """Causal convolutions whose dilation grows until they cover the window."""

    search: ClassVar[Search] = {**NetworkSettings.search, "width": (8, 32), "dropout": (0.1, 0.3, 0.5)}

    width: int = Field(32, ge=1, le=8192, description="Channels of each convolution.")
    layers: int = Field(1, ge=1, le=32, description="Repetitions of the dilations.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Fraction of units dropped during training.")


class Model(nnx.Module):
    """Rounds of gated, residual convolutions over the shared event embedding.

    A round has the dilations 1, 5, 25, ... until its receptive field covers the window's `length`.
    """

    def __init__(self, settings: Settings, shape: NetworkShape, *, rngs: nnx.Rngs) -> None:
        width = settings.width
        self.embedding = shape.embedding(settings.embedding_width, rngs=rngs)
        self.entry = nnx.Linear(self.embedding.features, width, rngs=rngs)
        dilations = dilations_for(shape.length) * settings.layers
        self.blocks = nnx.List([GatedBlock(width, dilation, rngs=rngs) for dilation in dilations])
        self.dropout = nnx.Dropout(settings.dropout, broadcast_dims=(1,))
        self.head = StepHead(width * (len(dilations) + 1), width, shape.outputs, rngs=rngs)

    def __call__(self, codes: Array, numbers: Array, key: Array | None = None) -> Array:
        """Return logits, float32 [batch, steps, outputs], from codes and numbers.

        codes: int32 [batch, steps, categorical]; numbers: float32 [batch, steps, numeric]. Sessions start at
        step 0, padding follows them. With a `key`, dropout is on; its mask is the same at all
        steps of a session.
        """
        keys = jax.random.split(key, 2) if key is not None else None

        def drop(values: Array, n: int) -> Array:
            return values if keys is None else self.dropout(values, deterministic=False, rngs=keys[n])

        values = self.entry(drop(self.embedding(codes, numbers, time_axis=1), 0))
        skips = [values]
        for block in self.blocks:
            values, skip = block(values)
            skips.append(skip)
        # WaveNet sums the skips after one matrix each. One product of all skips is the same, in less time.
        return self.head(drop(jnp.concatenate(skips, axis=-1), 1))

    @property
    def step_lags(self) -> tuple[int, ...]:
        """Return which earlier steps' states `step` reads: the taps of all blocks."""
        return tuple(sorted({lag for block in self.blocks for lag in block.lags}))

    @property
    def step_width(self) -> int:
        """Return the numbers in a step's state: the inputs of all blocks."""
        return len(self.blocks) * self.entry.out_features

    def step(self, codes: Array, numbers: Array, earlier: Array) -> tuple[Array, Array]:
        """Return the logits after one more event, float32 [batch, outputs], and the step's state.

        codes: int32 [batch, 2, categorical]; numbers: float32 [batch, 2, numeric], of the previous event
        (padding before the first) and of the new one; earlier: float32 [batch, lags, step_width], states at
        `step_lags`, zeros before the first event. The state is float32 [batch, step_width].
        """
        values = self.entry(self.embedding(codes, numbers, time_axis=1)[:, 1])
        skips, inputs, width = [values], [], self.entry.out_features
        for number, block in enumerate(self.blocks):
            inputs.append(values)
            places = jnp.array([self.step_lags.index(lag) for lag in block.lags])
            taps = earlier[:, places, number * width : (number + 1) * width]
            values, skip = block.step(values, taps.reshape(len(values), -1))
            skips.append(skip)
        return self.head(jnp.concatenate(skips, axis=-1)), jnp.concatenate(inputs, axis=-1)


class GatedBlock(nnx.Module):
    """A causal convolution, gated (tanh times sigmoid), with a residual path."""

    def __init__(self, width: int, dilation: int, *, rngs: nnx.Rngs) -> None:
        self.dilation = dilation
        self.taps = nnx.Linear(TAPS * width, 2 * width, rngs=rngs)
        self.residual = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Return the next block's input and this block's skip; all are float32 [batch, steps, width]."""
        steps, width = values.shape[1:]
        # Taps that reach back beyond the first step read only zeros, so a short batch leaves them out.
        shifts = [shift for shift in range(0, TAPS * self.dilation, self.dilation) if shift < steps]
        inputs = [jnp.pad(values[:, : steps - shift], ((0, 0), (shift, 0), (0, 0))) for shift in shifts]
        kernel, bias = self.taps.kernel[...], self.taps.bias
        assert bias is not None
        gates = jnp.concatenate(inputs, axis=-1) @ kernel[: len(shifts) * width] + bias[...][None, None]
        return self._gate(values, gates)

    @property
    def lags(self) -> tuple[int, ...]:
        """Return how many steps back the taps read, the step itself left out."""
        return tuple(range(self.dilation, TAPS * self.dilation, self.dilation))

    def step(self, values: Array, taps: Array) -> tuple[Array, Array]:
        """Return what `__call__` does for one step, float32 [batch, width] each.

        taps: float32 [batch, (TAPS - 1) * width], the block's inputs at its `lags`.
        """
        return self._gate(values, self.taps(jnp.concatenate([values, taps], axis=-1)))

    def _gate(self, values: Array, gates: Array) -> tuple[Array, Array]:
        signal, gate = jnp.split(gates, 2, axis=-1)
        skip = jnp.tanh(signal) * jax.nn.sigmoid(gate)
        return values + self.residual(skip), skip


def dilations_for(length: int) -> list[int]:
    """Return the dilations 1, 5, 25, ... that together cover `length` steps."""
    dilations = [1]
    while 1 + (TAPS - 1) * sum(dilations) < length:
        dilations.append(TAPS * dilations[-1])
    return dilations
