"""Trains and samples the deck's network: shuffled windows of the text, one prediction per window."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text import CharDeck
from rabbithole.specs.text import DeckSettings
from rabbithole.text.corpus import Corpus
from rabbithole.text.trainer import (
    Sampler,
    TextTrainer,
    TextTrainState,
    apply_gradients,
    check_length,
    epoch_randomness,
    portions,
)
from rabbithole.training.loop import start

EVALUATION_BATCH = 512
"""Windows in one batch of the evaluation."""

Batch = tuple[np.ndarray, Array]
"""Positions of the characters to predict, int32[updates, batch], and a dropout key per update."""


def build_deck(settings: DeckSettings, *, symbols: int, seed: int) -> CharDeck:
    """Return the untrained network for a vocabulary of `symbols` codes."""
    return CharDeck(symbols=symbols, width=settings.width, dropout=settings.dropout, rngs=nnx.Rngs(seed))


def deck_sampler(network: CharDeck, settings: DeckSettings, context: np.ndarray) -> Sampler:
    """Return a sampler that continues a context, int32[characters]; its state is the window without its end.

    A context shorter than the window is repeated to the left.
    """
    window = np.resize(context[::-1], settings.window)[::-1]

    def step(state: Array, code: Array) -> tuple[Array, Array]:
        window = jnp.append(state, code)
        return window[1:], network(window[:, None])[0]

    return Sampler(step, jnp.asarray(window[:-1]), int(window[-1]))


class DeckTrainer(TextTrainer):
    """Trains like `fit` of Keras with its defaults: shuffled windows, Adam, categorical cross-entropy.

    Windows that do not fill the last batch of an epoch are left out, different ones in each epoch.
    """

    def __init__(self, corpus: Corpus, settings: DeckSettings, *, seed: int) -> None:
        check_length(corpus, settings.window + settings.batch_size)
        self.corpus, self.settings, self.seed = corpus, settings, seed
        self.codes = jnp.asarray(corpus.codes)
        network = build_deck(settings, symbols=corpus.vocabulary.symbols, seed=seed)
        self.graph, parameters = nnx.split(network, nnx.Param)
        # Keras's epsilon; optax's default is 1e-8.
        self.optimizer = optax.adam(settings.learning_rate, eps=1e-7)
        state = TextTrainState(parameters, self.optimizer.init(parameters), carry=(), sums=jnp.zeros(2))
        self.progress = start(self, state)

    def batches(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch: all positions of the train part that follow a full window."""
        rng, key = epoch_randomness(self.seed, epoch)
        positions = rng.permutation(np.arange(self.settings.window, self.corpus.held_out, dtype=np.int32))
        batch_size = self.settings.batch_size
        updates = positions[: len(positions) // batch_size * batch_size].reshape(-1, batch_size)
        keys = jax.random.split(key, len(updates))
        return [(updates[part], keys[part]) for part in portions(len(updates))]

    def train_batch(self, state: TextTrainState, batch: Batch, *, epoch: int, number: int) -> TextTrainState:
        """Return the state after one update per row of the batch."""
        del epoch, number
        return _train(self.graph, self.optimizer, self.settings.window, state, self.codes, *batch)

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return float32[held-out characters]; the first windows reach back into the train part."""
        positions = np.arange(self.corpus.held_out, len(self.corpus.codes), dtype=np.int32)
        padded = np.resize(positions, (-(-len(positions) // EVALUATION_BATCH), EVALUATION_BATCH))
        logs = _evaluate(self.graph, self.settings.window, parameters, self.codes, padded)
        return np.asarray(logs).ravel()[: len(positions)]

    def dynamic_log_probabilities(self, parameters: Any) -> None:
        """Return None: dynamic evaluation needs a network that reads the text as a stream."""
        del parameters


def _windows(codes: Array, positions: Array, window: int) -> Array:
    """Return the codes before each position, int32[window, batch]."""
    return codes[positions[None, :] + jnp.arange(-window, 0)[:, None]]


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def _train(
    graph: Any,
    optimizer: optax.GradientTransformation,
    window: int,
    state: TextTrainState,
    codes: Array,
    positions: Array,
    keys: Array,
) -> TextTrainState:
    """Take one update per row of `positions`, int32[updates, batch]."""

    def loss_fn(parameters: Any, positions: Array, key: Array) -> Array:
        logits = nnx.merge(graph, parameters)(_windows(codes, positions, window), key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, codes[positions]).mean()

    def update(state: TextTrainState, batch: tuple[Array, Array]) -> tuple[TextTrainState, None]:
        loss, gradients = jax.value_and_grad(loss_fn)(state.parameters, *batch)
        return apply_gradients(state, optimizer, gradients, loss, carry=()), None

    return lax.scan(update, state, (positions, keys))[0]


@partial(jax.jit, static_argnums=(0, 1))
def _evaluate(graph: Any, window: int, parameters: Any, codes: Array, positions: Array) -> Array:
    """Return the log-probability of the character at each of `positions`, int32[batches, batch]."""
    network = nnx.merge(graph, parameters)

    def log_probabilities(positions: Array) -> Array:
        logits = network(_windows(codes, positions, window))
        return -optax.softmax_cross_entropy_with_integer_labels(logits, codes[positions])

    return lax.map(log_probabilities, positions)
