"""Our way: several streams of the text read side by side, a loss at every step, the state carried along."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array, lax

from rabbithole.models.text.char_gru import CharGru, State
from rabbithole.text.corpus import Corpus
from rabbithole.text.dynamic_evaluation import adapting_log_probabilities, step_losses
from rabbithole.text.learner import Step, TextTrainer, TextTrainState, portions, refuse_short, updated

WARM_UP = 2000
"""Characters read before the first that is judged, or written: enough that more change nothing."""

MEASURED = 16000
"""Characters at the end of the first part on which the slopes' scale is measured."""


class StreamTrainer(TextTrainer):
    """Truncated backpropagation through time with AdamW, clipped gradients, a rate that rises and then falls.

    An epoch begins at a random one of the first characters, so that the cuts fall elsewhere each time. The
    number of epochs is fixed by the rate's schedule: no epoch is chosen on the held-out part.
    """

    def __init__(self, corpus: Corpus, settings: dict[str, Any], *, seed: int) -> None:
        streams, steps = settings["batch_size"], settings["steps"]
        # One chunk less than there is room for: the start moves within it.
        self.chunks = (corpus.held_out - 1 - steps) // (streams * steps)
        refuse_short(corpus, streams * steps + steps + 1)
        super().__init__(corpus, settings, seed=seed)

    def make_optimizer(self, parameters: Any) -> optax.GradientTransformation:
        """Return AdamW with its schedule; biases do not decay."""
        settings = self.settings
        updates = self.chunks * settings["epochs"]
        rate = optax.warmup_cosine_decay_schedule(
            0.0, settings["learning_rate"], min(100, updates // 10), updates, settings["learning_rate"] / 100
        )
        return optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.adamw(
                rate, b2=0.99, weight_decay=settings["weight_decay"],
                mask=jax.tree.map(lambda leaf: leaf.ndim > 1, parameters),
            ),
        )  # fmt: skip

    def carried(self, parameters: Any) -> State:
        """Return the recurrent state before the first character."""
        state: State = nnx.merge(self.graph, parameters).initial_state(self.settings["batch_size"])
        return state

    @staticmethod
    def build(settings: dict[str, Any], *, symbols: int, seed: int) -> CharGru:
        """Return the untrained network for so many codes."""
        return CharGru(
            symbols=symbols, embedding_width=settings["embedding_width"], width=settings["width"],
            layers=settings["layers"], embedding_dropout=settings["embedding_dropout"],
            dropout=settings["dropout"], kernel_dropout=settings["kernel_dropout"], rngs=nnx.Rngs(seed),
        )  # fmt: skip

    @staticmethod
    def writer(network: CharGru, settings: dict[str, Any], context: np.ndarray) -> tuple[Step, State, int]:
        """Return a step whose state is the network's, after it read the context but for its last code."""
        del settings
        context = context[-WARM_UP:]
        state = network.initial_state(1)
        if len(context) > 1:
            state = network(jnp.asarray(context[:-1, None]), state)[1]

        def step(state: State, code: Array) -> tuple[State, Array]:
            logits, state = network(code[None, None], state)
            return state, logits[0, 0]

        return step, state, int(context[-1])

    def batches(self, epoch: int) -> list[tuple[np.ndarray, np.ndarray, Array]]:
        """Return the characters read and to be foretold, int32[updates, steps, streams], and their keys."""
        streams, steps = self.settings["batch_size"], self.settings["steps"]
        length = self.chunks * steps
        random, key = self.draws(epoch)
        start = int(random.integers(self.corpus.held_out - streams * length))
        taken = self.corpus.codes[start : start + streams * length + 1]
        inputs, targets = (
            part.reshape(streams, self.chunks, steps).transpose(1, 2, 0) for part in (taken[:-1], taken[1:])
        )
        keys = jax.random.split(key, self.chunks)
        return [(inputs[part], targets[part], keys[part]) for part in portions(self.chunks)]

    def train_batch(
        self,
        state: TextTrainState,
        batch: tuple[np.ndarray, np.ndarray, Array],
        *,
        epoch: int,  # noqa: ARG002
        number: int,
    ) -> TextTrainState:
        """Return what is learned after some updates, each of which hands its recurrent state to the next."""
        if number == 0:
            state = dataclasses.replace(state, carried=jax.tree.map(jnp.zeros_like, state.carried))
        return _learn(self.graph, self.optimizer, state, *batch)

    def examples(self, batch: tuple[np.ndarray, np.ndarray, Array]) -> int:
        """Return the number of characters foretold."""
        return batch[0].size

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return float32[held-out characters], read in one stream that begins in the first part."""
        network = nnx.merge(self.graph, parameters)
        codes = self._judged()
        return np.asarray(_judge(network, codes[:-1], codes[1:]))[-self._held_out() :]

    def adapting_log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return the same of a reader that goes on learning as it reads."""
        learned = jnp.asarray(self.corpus.codes[: self.corpus.held_out][-MEASURED:])
        found = adapting_log_probabilities(self.graph, parameters, learned, self._judged())
        return found[-self._held_out() :]

    def _judged(self) -> Array:
        """Return the held-out characters, those that warm up before them, and one more."""
        start = max(self.corpus.held_out - WARM_UP, 1)
        return jnp.asarray(self.corpus.codes[start - 1 :])

    def _held_out(self) -> int:
        return len(self.corpus.codes) - self.corpus.held_out


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _learn(
    graph: Any, optimizer: Any, learned: TextTrainState, inputs: Array, targets: Array, keys: Array
) -> TextTrainState:
    """Take one update for each chunk of int32[updates, steps, streams]."""

    def loss_of(parameters: Any, carried: State, inputs: Array, targets: Array, key: Array) -> Any:
        losses, state = step_losses(nnx.merge(graph, parameters), inputs, targets, carried, key)
        return losses.mean(), state

    def update(learned: TextTrainState, given: tuple[Array, Array, Array]) -> tuple[TextTrainState, None]:
        slopes_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, state), slopes = slopes_of(learned.parameters, learned.carried, *given)
        return updated(learned, optimizer, slopes, loss, carried=state), None

    return lax.scan(update, learned, (inputs, targets, keys))[0]


@nnx.jit
def _judge(network: CharGru, inputs: Array, targets: Array) -> Array:
    """Return the log-probability of each target, float32[characters], in one pass."""
    return -step_losses(network, inputs[:, None], targets[:, None], network.initial_state(1))[0][:, 0]
