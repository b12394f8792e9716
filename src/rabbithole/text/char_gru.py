"""Trains and samples our text network: truncated backpropagation through time on parallel streams."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text import CharGru, State
from rabbithole.specs.text import CharGruSettings
from rabbithole.text.corpus import Corpus
from rabbithole.text.dynamic_evaluation import character_losses, dynamic_log_probabilities
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

WARM_UP_CHARACTERS = 2000
"""Characters read before the first evaluated or sampled one. A longer context changes no prediction."""

GRADIENT_SCALE_CHARACTERS = 16000
"""Characters at the end of the train part on which dynamic evaluation measures the scale of the gradients."""

Batch = tuple[np.ndarray, np.ndarray, Array]
"""Input and target codes, int32[updates, steps, streams] each, and a dropout key per update."""


def build_char_gru(settings: CharGruSettings, *, symbols: int, seed: int) -> CharGru:
    """Return the untrained network for a vocabulary of `symbols` codes."""
    return CharGru(
        symbols=symbols,
        embedding_width=settings.embedding_width,
        width=settings.width,
        layers=settings.layers,
        embedding_dropout=settings.embedding_dropout,
        dropout=settings.dropout,
        kernel_dropout=settings.kernel_dropout,
        rngs=nnx.Rngs(seed),
    )


def char_gru_sampler(network: CharGru, settings: CharGruSettings, context: np.ndarray) -> Sampler:
    """Return a sampler that continues a context, int32[characters]; its state is the recurrent state."""
    del settings
    context = context[-WARM_UP_CHARACTERS:]
    state = network.initial_state(1)
    if len(context) > 1:
        state = network(jnp.asarray(context[:-1, None]), state)[1]

    def step(state: State, code: Array) -> tuple[State, Array]:
        logits, state = network(code[None, None], state)
        return state, logits[0, 0]

    return Sampler(step, state, int(context[-1]))


class CharGruTrainer(TextTrainer):
    """Trains with AdamW, clipped gradients, and a learning rate that warms up and then decays.

    Each of the parallel streams reads one section of the train part, `steps` characters per update, and
    passes its recurrent state on to the next update. An epoch starts at a random character, so that the
    sections and updates are cut at other places each time.
    """

    def __init__(self, corpus: Corpus, settings: CharGruSettings, *, seed: int) -> None:
        streams, steps = settings.batch_size, settings.steps
        check_length(corpus, streams * steps + steps + 1)
        self.corpus, self.settings, self.seed = corpus, settings, seed
        # At least `steps` characters stay unused, so that the start can move.
        self.updates = (corpus.held_out - 1 - steps) // (streams * steps)
        network = build_char_gru(settings, symbols=corpus.vocabulary.symbols, seed=seed)
        self.graph, parameters = nnx.split(network, nnx.Param)
        self.optimizer = _make_optimizer(settings, self.updates * settings.epochs, parameters)
        optimizer_state, carry = self.optimizer.init(parameters), network.initial_state(streams)
        self.progress = start(self, TextTrainState(parameters, optimizer_state, carry, sums=jnp.zeros(2)))

    def batches(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch in the order of the text."""
        streams, steps = self.settings.batch_size, self.settings.steps
        length = self.updates * steps
        rng, key = epoch_randomness(self.seed, epoch)
        begin = int(rng.integers(self.corpus.held_out - streams * length))
        codes = self.corpus.codes[begin : begin + streams * length + 1]
        inputs, targets = (
            part.reshape(streams, self.updates, steps).transpose(1, 2, 0) for part in (codes[:-1], codes[1:])
        )
        keys = jax.random.split(key, self.updates)
        return [(inputs[part], targets[part], keys[part]) for part in portions(self.updates)]

    def train_batch(self, state: TextTrainState, batch: Batch, *, epoch: int, number: int) -> TextTrainState:
        """Return the state after the batch's updates; the first batch of an epoch resets the carry."""
        del epoch
        if number == 0:
            state = dataclasses.replace(state, carry=jax.tree.map(jnp.zeros_like, state.carry))
        return _train(self.graph, self.optimizer, state, *batch)

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return float32[held-out characters], read in one stream that starts in the train part."""
        codes = self._evaluation_codes()
        logs = _evaluate(nnx.merge(self.graph, parameters), codes[:-1], codes[1:])
        return np.asarray(logs)[-len(self.corpus.held_out_codes) :]

    def dynamic_log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return float32[held-out characters] with dynamic evaluation."""
        train_codes = jnp.asarray(self.corpus.codes[: self.corpus.held_out][-GRADIENT_SCALE_CHARACTERS:])
        logs = dynamic_log_probabilities(self.graph, parameters, train_codes, self._evaluation_codes())
        return logs[-len(self.corpus.held_out_codes) :]

    def _evaluation_codes(self) -> Array:
        """Return the codes of the warm-up and the held-out part, after one more code: the first input."""
        first = max(self.corpus.held_out - WARM_UP_CHARACTERS, 1)
        return jnp.asarray(self.corpus.codes[first - 1 :])


def _make_optimizer(settings: CharGruSettings, updates: int, parameters: Any) -> optax.GradientTransformation:
    """Return AdamW with its schedule over all updates of the training; biases do not decay."""
    rate = optax.warmup_cosine_decay_schedule(
        0.0, settings.learning_rate, min(100, updates // 10), updates, settings.learning_rate / 100
    )
    decayed = jax.tree.map(lambda leaf: leaf.ndim > 1, parameters)
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(rate, b2=0.99, weight_decay=settings.weight_decay, mask=decayed),
    )


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _train(
    graph: Any,
    optimizer: optax.GradientTransformation,
    state: TextTrainState,
    inputs: Array,
    targets: Array,
    keys: Array,
) -> TextTrainState:
    """Take one update per row of inputs and targets, int32[updates, steps, streams]."""

    def loss_fn(parameters: Any, carry: State, inputs: Array, targets: Array, key: Array) -> Any:
        losses, carry = character_losses(nnx.merge(graph, parameters), inputs, targets, carry, key)
        return losses.mean(), carry

    def update(state: TextTrainState, batch: tuple[Array, Array, Array]) -> tuple[TextTrainState, None]:
        gradient_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, carry), gradients = gradient_fn(state.parameters, state.carry, *batch)
        return apply_gradients(state, optimizer, gradients, loss, carry=carry), None

    return lax.scan(update, state, (inputs, targets, keys))[0]


@nnx.jit
def _evaluate(network: CharGru, inputs: Array, targets: Array) -> Array:
    """Return the log-probability of each target, float32[characters], in one pass."""
    losses, _ = character_losses(network, inputs[:, None], targets[:, None], network.initial_state(1))
    return -losses[:, 0]
