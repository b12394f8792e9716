"""The text network of the slide deck: from a window of character codes to the character that follows."""

import jax.numpy as jnp
from flax import nnx
from jax import Array

from rabbithole.models.gru_layer import GruLayer


class CharDeck(nnx.Module):
    """GRU(64), Dropout(0.2), dense softmax. Each step has one feature, the character code scaled to 0..1.

    The deck gives the layers. The input is that of the Keras example on which the deck is based.
    """

    def __init__(self, *, symbols: int, width: int, dropout: float, rngs: nnx.Rngs) -> None:
        self.scale = 1 / (symbols - 1)
        self.gru = GruLayer(1, width, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.head = nnx.Linear(width, symbols, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs)

    def __call__(self, windows: Array, key: Array | None = None) -> Array:
        """Return the logits of the next character, float32[batch, symbols], for int32[window, batch].

        Dropout is active only with a `key`.
        """
        inputs = (windows * self.scale).astype(jnp.float32)[..., None]
        _, state = self.gru(inputs, jnp.zeros((windows.shape[1], self.gru.width)))
        if key is not None:
            state = self.dropout(state, deterministic=False, rngs=key)
        return self.head(state)
