"""A gated recurrent unit that reads a session step by step."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rabbithole.models.gru_layer import GruLayer
from rabbithole.models.layers import EventEmbedding, StepHead


class Model(nnx.Module):
    """Stacked GRU layers over the shared event embedding.

    Inside, time is the first axis: the input's part of the gates is one product over all steps, and the scan
    takes its slices without a copy.
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
        length: int,  # noqa: ARG002 - every network is told the window's length; a recurrence needs none
        rngs: nnx.Rngs,
    ) -> None:
        self.embedding = EventEmbedding(embedding_width=embedding_width, sizes=sizes, roots=roots, rngs=rngs)
        self.layers = nnx.List(
            [GruLayer(width if n else self.embedding.features, width, rngs=rngs) for n in range(layers)]
        )
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(0,))
        self.head = StepHead(width, width, outputs, rngs=rngs)

    def __call__(self, codes: Array, numbers: Array, key: Array | None = None) -> Array:
        """Read int32 [batch, steps, 7], float32 [batch, steps, 2]; return float32 [batch, steps, outputs].

        Sessions begin at step 0; padding comes after them. With a `key`, units are dropped, the same ones at
        all steps of a session.
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
