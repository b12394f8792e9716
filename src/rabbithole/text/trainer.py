"""What both text trainers share: their interface, the train state, one optimiser update, and the metric."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from rabbithole.errors import UserError
from rabbithole.text.corpus import Corpus, code_lengths
from rabbithole.training.loop import PRNG_IMPL, EpochTask, TrainingProgress

UPDATES_PER_CALL = 64
"""Updates in one call of a compiled function. JAX clears memory at every call: with one update per call, an
update of the deck's network takes 58 ms, and 36 ms with this many."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TextTrainState:
    """Everything that an update changes, as a tree of arrays.

    carry: what one update passes to the next (the recurrent state), () for nothing; sums: float32 [2], over
    the epoch so far: the sum of the updates' mean losses in bits, and the number of updates.
    """

    parameters: Any
    optimizer_state: Any
    carry: Any
    sums: Array


class TextTrainer(EpochTask, Protocol):
    """A text network and its training on a corpus.

    The settings fix the number of epochs, and the last epoch is kept. Nothing is selected on the held-out
    part: its bits per character only show the progress.
    """

    progress: TrainingProgress

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return the natural log-probability of each held-out character after all before it."""

    def dynamic_log_probabilities(self, parameters: Any) -> np.ndarray | None:
        """Return these values with dynamic evaluation, None if the model has no such mode."""


def apply_gradients(
    state: TextTrainState, optimizer: optax.GradientTransformation, gradients: Any, loss: Array, *, carry: Any
) -> TextTrainState:
    """Return the state after an update. loss: the update's mean loss, in nats."""
    updates, optimizer_state = optimizer.update(gradients, state.optimizer_state, state.parameters)
    sums = state.sums + jnp.stack([loss / jnp.log(2.0), 1.0])
    return TextTrainState(optax.apply_updates(state.parameters, updates), optimizer_state, carry, sums)


def bits_per_character(corpus: Corpus, log_probabilities: np.ndarray) -> float:
    """Return the mean code length of the held-out characters, in bits."""
    return float(code_lengths(log_probabilities, corpus.held_out_codes, corpus.vocabulary).mean())


def epoch_randomness(seed: int, epoch: int) -> tuple[np.random.Generator, Array]:
    """Return an epoch's generator, which selects its examples, and its key, which dropout uses."""
    key = jax.random.fold_in(jax.random.key(seed, impl=PRNG_IMPL), epoch + 1)
    return np.random.default_rng((seed, epoch + 1)), key


def portions(updates: int) -> list[slice]:
    """Divide the updates of an epoch into portions of nearly equal size, `UPDATES_PER_CALL` at most."""
    ends = np.linspace(0, updates, -(-updates // UPDATES_PER_CALL) + 1).astype(int).tolist()
    return [slice(*part) for part in pairwise(ends)]


def check_length(corpus: Corpus, required: int) -> None:
    """Raise UserError if the train part has fewer characters than required, or nothing is held out."""
    if corpus.held_out < required or corpus.held_out == len(corpus.codes):
        raise UserError(
            f"the text's first 90 % has {corpus.held_out} characters and these settings need {required}: "
            "take a longer text, or a smaller window, batch_size or steps"
        )
