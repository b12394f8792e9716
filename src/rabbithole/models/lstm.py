"""A long short-term memory network (LSTM), as Sheil, Rana and Reilly (2018, arXiv:1807.08207) used."""

import jax
from flax import nnx
from jax import Array
from pydantic import Field

from rabbithole.models.layers import NetworkShape, StepHead
from rabbithole.models.settings import NetworkSettings


class Settings(NetworkSettings):
    """A long short-term memory network (LSTM) that reads a session step by step."""

    width: int = Field(64, ge=1, le=8192, description="Units of each layer.")
    layers: int = Field(1, ge=1, le=32, description="Stacked layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Fraction of units dropped during training.")


class Model(nnx.Module):
    """Stacked LSTM layers between the shared event embedding and the shared output head."""

    def __init__(self, settings: Settings, shape: NetworkShape, *, rngs: nnx.Rngs) -> None:
        self.embedding = shape.embedding(settings.embedding_width, rngs=rngs)
        inputs = [self.embedding.features] + [settings.width] * (settings.layers - 1)
        cells = [nnx.OptimizedLSTMCell(size, settings.width, rngs=rngs) for size in inputs]
        self.layers = nnx.List([nnx.RNN(cell, rngs=False) for cell in cells])
        self.dropout = nnx.Dropout(settings.dropout, broadcast_dims=(1,))
        self.head = StepHead(settings.width, settings.width, shape.outputs, rngs=rngs)

    def __call__(self, codes: Array, numbers: Array, key: Array | None = None) -> Array:
        """Return logits, float32 [batch, steps, outputs]; with a `key`, dropout is on."""
        values = self.embedding(codes, numbers, time_axis=1)
        for number, layer in enumerate(self.layers):
            values = layer(values, rngs=nnx.Rngs(0))  # The first state is zeros for any seed.
            if key is not None:
                values = self.dropout(values, deterministic=False, rngs=jax.random.fold_in(key, number))
        return self.head(values)
