"""The deck's way: windows of the text in random order, one prediction each."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text.deck import CharDeck
from rabbithole.text.corpus import Corpus
from rabbithole.text.learner import Step, TextTrainer, TextTrainState, portions, refuse_short, updated

JUDGED_AT_ONCE = 512


class DeckTrainer(TextTrainer):
    """Keras's `fit` with its defaults: shuffled windows, Adam, categorical cross-entropy.

    Windows that do not fill the last batch of an epoch are left out of it (others in each epoch).
    """

    def __init__(self, corpus: Corpus, settings: dict[str, Any], *, seed: int) -> None:
        self.window = int(settings["window"])
        refuse_short(corpus, self.window + settings["batch_size"])
        super().__init__(corpus, settings, seed=seed)
        self.codes = jnp.asarray(corpus.codes)

    def make_optimizer(self, parameters: Any) -> optax.GradientTransformation:  # noqa: ARG002 - all alike
        """Return Adam with Keras's epsilon; optax's own is 1e-8."""
        return optax.adam(self.settings["learning_rate"], eps=1e-7)

    @staticmethod
    def build(settings: dict[str, Any], *, symbols: int, seed: int) -> CharDeck:
        """Return the untrained network for so many codes."""
        return CharDeck(
            symbols=symbols, width=settings["width"], dropout=settings["dropout"], rngs=nnx.Rngs(seed)
        )

    @staticmethod
    def writer(network: CharDeck, settings: dict[str, Any], context: np.ndarray) -> tuple[Step, Array, int]:
        """Return a step whose state is the window without its last code.

        Where the context is shorter than the window, it is repeated in front of itself.
        """
        window = np.resize(context[::-1], settings["window"])[::-1]

        def step(state: Array, code: Array) -> tuple[Array, Array]:
            window = jnp.append(state, code)
            return window[1:], network(window[:, None])[0]

        return step, jnp.asarray(window[:-1]), int(window[-1])

    def batches(self, epoch: int) -> list[tuple[np.ndarray, Array]]:
        """Return the places to be foretold, int32[updates, batch], in random order, and a key an update."""
        batch = self.settings["batch_size"]
        random, key = self.draws(epoch)
        places = random.permutation(np.arange(self.window, self.corpus.held_out, dtype=np.int32))
        updates = places[: len(places) // batch * batch].reshape(-1, batch)
        keys = jax.random.split(key, len(updates))
        return [(updates[part], keys[part]) for part in portions(len(updates))]

    def train_batch(
        self,
        state: TextTrainState,
        batch: tuple[np.ndarray, Array],
        *,
        epoch: int,  # noqa: ARG002
        number: int,  # noqa: ARG002
    ) -> TextTrainState:
        """Return what is learned after some updates."""
        return _learn(self.graph, self.optimizer, self.window, state, self.codes, *batch)

    def examples(self, batch: tuple[np.ndarray, Array]) -> int:
        """Return the number of characters foretold."""
        return batch[0].size

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return float32[held-out characters]; the first windows reach back into the first part."""
        places = np.arange(self.corpus.held_out, len(self.corpus.codes), dtype=np.int32)
        filled = np.resize(places, (-(-len(places) // JUDGED_AT_ONCE), JUDGED_AT_ONCE))
        judged = _judge(self.graph, self.window, parameters, self.codes, filled)
        return np.asarray(judged).ravel()[: len(places)]


def _windows(codes: Array, places: Array, window: int) -> Array:
    """Return the codes before each of places, int32[window, batch]."""
    return codes[places[None, :] + jnp.arange(-window, 0)[:, None]]


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def _learn(
    graph: Any,
    optimizer: Any,
    window: int,
    learned: TextTrainState,
    codes: Array,
    batches: Array,
    keys: Array,
) -> TextTrainState:
    """Take one update for each row of `batches`, int32[updates, batch]: the places to be foretold."""

    def loss_of(parameters: Any, places: Array, key: Array) -> Array:
        logits = nnx.merge(graph, parameters)(_windows(codes, places, window), key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, codes[places]).mean()

    def update(learned: TextTrainState, given: tuple[Array, Array]) -> tuple[TextTrainState, None]:
        loss, slopes = jax.value_and_grad(loss_of)(learned.parameters, *given)
        return updated(learned, optimizer, slopes, loss, carried=()), None

    return lax.scan(update, learned, (batches, keys))[0]


@partial(jax.jit, static_argnums=(0, 1))
def _judge(graph: Any, window: int, parameters: Any, codes: Array, batches: Array) -> Array:
    """Return the log-probability of the character at each of `batches`, int32[batches, batch]."""
    network = nnx.merge(graph, parameters)

    def judge(places: Array) -> Array:
        logits = network(_windows(codes, places, window))
        return -optax.softmax_cross_entropy_with_integer_labels(logits, codes[places])

    return lax.map(judge, batches)
