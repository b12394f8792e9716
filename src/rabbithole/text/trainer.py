"""What both text networks share: trainer and sampler interfaces, train state, one update, the metric."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from rabbithole.errors import UserError
from rabbithole.text.corpus import Corpus, code_lengths
from rabbithole.training.loop import PRNG_IMPL, EpochTask, TrainingProgress


@dataclass(frozen=True)
class Sampler:
    """A text network that has read a context.

    step: from the state and the last code, int32[], to the new state and the logits of the next code,
    float32[symbols]; state: before the last code of the context; last_code: that code.
    """

    step: Callable[[Any, Array], tuple[Any, Array]]
    state: Any
    last_code: int


def draw_codes(
    sampler: Sampler, *, temperatures: Sequence[float], length: int, unknown: int, key: Array
) -> np.ndarray:
    """Return the codes that follow the context, int32[temperatures, length].

    Temperature 0 takes the most likely code at each step. Each temperature has its own key. The code
    `unknown` is never drawn, as it stands for no character.
    """

    @partial(jax.jit, static_argnames="length")
    def draw_sample(temperature: Array, key: Array, length: int) -> Array:
        def draw(carry: tuple[Any, Array], key: Array) -> tuple[tuple[Any, Array], Array]:
            state, logits = sampler.step(*carry)
            logits = logits.at[unknown].set(-jnp.inf)
            drawn = jax.random.categorical(key, logits / jnp.maximum(temperature, 1e-6))
            code = jnp.where(temperature > 0, drawn, logits.argmax()).astype(jnp.int32)
            return (state, code), code

        first = (sampler.state, jnp.int32(sampler.last_code))
        return lax.scan(draw, first, jax.random.split(key, length))[1]

    keys = jax.random.split(key, len(temperatures))
    samples = [draw_sample(t, k, length) for t, k in zip(temperatures, keys, strict=True)]
    return np.stack([np.asarray(sample) for sample in samples])


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

    unit: str = "characters"
    corpus: Corpus
    progress: TrainingProgress

    def examples(self, batch: Sequence[Array]) -> int:
        """Return the number of predicted characters."""
        return batch[0].size

    def evaluate(self, state: TextTrainState) -> dict[str, float]:
        """Return `held_out_bits`, the bits per held-out character."""
        return {"held_out_bits": bits_per_character(self.corpus, self.log_probabilities(state.parameters))}

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the epoch, so that the last one is kept."""
        return metrics["epoch"]

    def weights(self, state: TextTrainState) -> Any:
        """Return the parameters."""
        return state.parameters

    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return the natural log-probability of each held-out character after all before it."""

    def dynamic_log_probabilities(self, parameters: Any) -> np.ndarray | None:
        """Return these values with dynamic evaluation, None if the model has no such mode."""


def apply_gradients(
    state: TextTrainState, optimizer: optax.GradientTransformation, gradients: Any, loss: Array, *, carry: Any
) -> TextTrainState:
    """Return the state after an update. loss: the update's mean loss, in nats."""
    # optax multiplies integer step counts with floats, which tests of strict types refuse elsewhere.
    with jax.numpy_dtype_promotion("standard"):
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
