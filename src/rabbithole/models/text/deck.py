"""The deck's text network: a window of character codes, a GRU, the character that follows."""

import jax.numpy as jnp
from flax import nnx
from jax import Array

from rabbithole.models.gru_layer import GruLayer


class CharDeck(nnx.Module):
    """GRU(64), Dropout(0.2), dense softmax; one feature per step, the character's code scaled to 0..1.

    The deck gives the layers; the input follows the Keras example that it follows.
    """

    def __init__(self, *, symbols: int, width: int, dropout: float, rngs: nnx.Rngs) -> None:
        self.scale = 1 / (symbols - 1)
        self.gru = GruLayer(1, width, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.head = nnx.Linear(width, symbols, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs)

    def __call__(self, windows: Array, key: Array | None = None) -> Array:
        """Read int32[window, batch]; return the next character's logits, float32[batch, symbols].

        Without a `key` nothing is dropped.
        """
        inputs = (windows * self.scale).astype(jnp.float32)[..., None]
        _, state = self.gru(inputs, jnp.zeros((windows.shape[1], self.gru.width)))
        if key is not None:
            state = self.dropout(state, deterministic=False, rngs=key)
        return self.head(state)
