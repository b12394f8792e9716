"""The character networks: a GRU, and the recurrent network of the deck."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rabbithole.models.gru_layer import GruLayer

State = tuple[Array, ...]


class CharGru(nnx.Module):
    """Predicts every next character of a text from all characters before it.

    A dropout mask stays the same for all steps of one call (Gal and Ghahramani 2016, arXiv:1512.05287,
    section 4). Dropout acts on the embedding, on each layer's output, and on each layer's recurrent kernel
    (Merity, Keskar and Socher 2018, "Regularizing and optimizing LSTM language models", arXiv:1708.02182,
    section 2).
    """

    def __init__(
        self,
        *,
        symbols: int,
        embedding_width: int,
        width: int,
        layers: int,
        embedding_dropout: float,
        dropout: float,
        kernel_dropout: float,
        rngs: nnx.Rngs,
    ) -> None:
        self.symbols = symbols
        self.embedding = nnx.Param(
            nnx.initializers.normal(0.5)(rngs.params(), (symbols, embedding_width), jnp.float32)
        )
        self.layers = nnx.List(
            [GruLayer(width if number else embedding_width, width, rngs=rngs) for number in range(layers)]
        )
        self.embedding_dropout = nnx.Dropout(embedding_dropout, broadcast_dims=(0,))
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(0,))
        self.kernel_dropout = nnx.Dropout(kernel_dropout)
        self.head = nnx.Linear(width, symbols, rngs=rngs)

    def initial_state(self, streams: int) -> State:
        """Return the state before the first character: zeros, float32[streams, width] per layer."""
        return tuple(jnp.zeros((streams, layer.width)) for layer in self.layers)

    def __call__(self, codes: Array, state: State, key: Array | None = None) -> tuple[Array, State]:
        """Return the logits of each next character, float32[steps, streams, symbols], and the new state.

        codes: int32[steps, streams]. Dropout is active only with a `key`.
        """
        keys = iter(jax.random.split(key, 2 * len(self.layers) + 1)) if key is not None else None

        def drop(dropout: nnx.Dropout, values: Array) -> Array:
            return values if keys is None else dropout(values, deterministic=False, rngs=next(keys))

        # A product with one-hot rows, because its gradient is a product too. A lookup's is a slow scatter.
        values = drop(self.embedding_dropout, jax.nn.one_hot(codes, self.symbols) @ self.embedding[...])
        new_state = []
        for layer, layer_state in zip(self.layers, state, strict=True):
            values, last = layer(values, layer_state, drop(self.kernel_dropout, layer.state_kernel[...]))
            values = drop(self.dropout, values)
            new_state.append(last)
        return self.head(values), tuple(new_state)


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
        inputs = (windows.astype(jnp.float32) * self.scale)[..., None]
        _, state = self.gru(inputs, jnp.zeros((windows.shape[1], self.gru.width)))
        if key is not None:
            state = self.dropout(state, deterministic=False, rngs=key)
        return self.head(state)
