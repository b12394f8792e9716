"""Causal convolutions whose dilation grows until they see the whole window (WaveNet, arXiv:1609.03499)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rabbithole.models.layers import EventEmbedding, StepHead

TAPS = 5
"""Steps that a convolution looks at. With two, as in WaveNet, it takes seven layers, not three, to cover 100
steps: twice the time, and no better here."""


class Model(nnx.Module):
    """Rounds of gated, residual convolutions over the shared event embedding.

    A round has the dilations 1, 5, 25, ... as many as let its receptive field cover the window's `length`.
    """

    def __init__(
        self,
        *,
        embedding_width: int,
        width: int,
        layers: int,
        dropout: float,
        sizes: dict[str, int],
        roots: Sequence[int],
        outputs: int,
        length: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.embedding = EventEmbedding(embedding_width=embedding_width, sizes=sizes, roots=roots, rngs=rngs)
        self.entry = nnx.Linear(self.embedding.features, width, rngs=rngs)
        dilations = dilations_for(length) * layers
        self.blocks = nnx.List([GatedBlock(width, dilation, rngs=rngs) for dilation in dilations])
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(1,))
        self.head = StepHead(width * (len(dilations) + 1), width, outputs, rngs=rngs)

    def __call__(self, codes: Array, numbers: Array, key: Array | None = None) -> Array:
        """Read int32 [batch, steps, 7], float32 [batch, steps, 2]; return float32 [batch, steps, outputs].

        Sessions begin at step 0; padding comes after them. With a `key`, units are dropped, the same ones at
        all steps of a session.
        """
        keys = jax.random.split(key, 2) if key is not None else None

        def drop(values: Array, n: int) -> Array:
            return values if keys is None else self.dropout(values, deterministic=False, rngs=keys[n])

        values = self.entry(drop(self.embedding(codes, numbers, time_axis=1), 0))
        skips = [values]
        for block in self.blocks:
            values, skip = block(values)
            skips.append(skip)
        # The skips are summed after a matrix each; one product of all of them does the same in less time.
        return self.head(drop(jnp.concatenate(skips, axis=-1), 1))


class GatedBlock(nnx.Module):
    """Causal taps, tanh times sigmoid, and a residual path."""

    def __init__(self, width: int, dilation: int, *, rngs: nnx.Rngs) -> None:
        self.dilation = dilation
        self.taps = nnx.Linear(TAPS * width, 2 * width, rngs=rngs)
        self.residual = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Read float32 [batch, steps, width]; return the next block's input and this block's skip, alike."""
        steps, width = values.shape[1:]
        # Taps that reach back beyond the first step read zeros alone: a short batch leaves them out.
        reach = [back for back in range(0, TAPS * self.dilation, self.dilation) if back < steps]
        seen = [jnp.pad(values[:, : steps - back], ((0, 0), (back, 0), (0, 0))) for back in reach]
        kernel, bias = self.taps.kernel[...], self.taps.bias
        assert bias is not None
        gates = jnp.concatenate(seen, axis=-1) @ kernel[: len(reach) * width] + bias[...]
        signal, gate = jnp.split(gates, 2, axis=-1)
        skip = jnp.tanh(signal) * jax.nn.sigmoid(gate)
        return values + self.residual(skip), skip


def dilations_for(length: int) -> list[int]:
    """Return 1, 5, 25, ... whose taps together reach over `length` steps."""
    dilations = [1]
    while 1 + (TAPS - 1) * sum(dilations) < length:
        dilations.append(TAPS * dilations[-1])
    return dilations
