"""What is common to the ways of learning a text, and of writing one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from rabbithole.errors import UserError
from rabbithole.text.corpus import Corpus, code_lengths
from rabbithole.training.loop import PRNG_IMPL, start

AT_ONCE = 64
"""Updates in one compiled program. With a call for each, new memory is cleared at every one: 58 ms in the
place of 36 for the deck's network."""

Step = Callable[[Any, Array], tuple[Any, Array]]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TextTrainState:
    """All that an update changes, a tree of arrays.

    parameters: the network's; moments: the optimiser's state; carried: what an update hands to the next, ()
    for nothing; sums: float32 [2], over the epoch so far: the updates' mean losses in bits, and the updates.
    """

    parameters: Any
    moments: Any
    carried: Any
    sums: Array


class TextTrainer(ABC):
    """A text network and the way it is taught.

    graph: the network's structure, as `flax.nnx.split` returns it. The settings fix the number of epochs, and
    the last one is kept: nothing is chosen on the held-out part, whose figures only show the way.
    """

    graph: Any
    optimizer: optax.GradientTransformation

    def __init__(self, corpus: Corpus, settings: dict[str, Any], *, seed: int) -> None:
        self.corpus = corpus
        self.settings = settings
        self.seed = seed
        self.epochs = self.patience = settings["epochs"]
        self.graph, parameters = nnx.split(
            self.build(settings, symbols=corpus.vocabulary.symbols, seed=seed), nnx.Param
        )
        self.optimizer = self.make_optimizer(parameters)
        learned = TextTrainState(
            parameters, self.optimizer.init(parameters), self.carried(parameters), jnp.zeros(2)
        )
        self.progress = start(self, learned)

    @abstractmethod
    def make_optimizer(self, parameters: Any) -> optax.GradientTransformation:
        """Return what turns slopes into steps."""

    def carried(self, parameters: Any) -> Any:  # noqa: ARG002 - another way may need them
        """Return what the first update of an epoch is handed."""
        return ()

    @abstractmethod
    def batches(self, epoch: int) -> Sequence[Any]:
        """Return the batches of an epoch in order."""

    @abstractmethod
    def train_batch(self, state: TextTrainState, batch: Any, *, epoch: int, number: int) -> TextTrainState:
        """Return the state after some updates."""

    @abstractmethod
    def examples(self, batch: Any) -> int:
        """Return the number of characters predicted in a batch."""

    def evaluate(self, state: TextTrainState) -> dict[str, float]:
        """Return `held_out_bits`: the bits per held-out character."""
        return {"held_out_bits": self.bits(self.log_probabilities(state.parameters))}

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the epoch: the last one is kept."""
        return float(metrics["epoch"])

    def weights(self, state: TextTrainState) -> Any:
        """Return the parameters."""
        return state.parameters

    @staticmethod
    @abstractmethod
    def build(settings: dict[str, Any], *, symbols: int, seed: int) -> nnx.Module:
        """Return the untrained network for so many codes."""

    @staticmethod
    @abstractmethod
    def writer(network: Any, settings: dict[str, Any], context: np.ndarray) -> tuple[Step, Any, int]:
        """Return how to write on from a context, int32[characters].

        That is a step, (state, int32[] code) to (state, float32[symbols] logits of the next); the state
        before the last code of the context; and that code.
        """

    @abstractmethod
    def log_probabilities(self, parameters: Any) -> np.ndarray:
        """Return the natural logarithm of each held-out character's probability, given those before it."""

    def adapting_log_probabilities(self, parameters: Any) -> np.ndarray | None:  # noqa: ARG002
        """Return the same of a reader that goes on learning as it reads; None where there is none."""
        return None

    def bits(self, log_probabilities: np.ndarray) -> float:
        """Return the mean cost of a held-out character, in bits."""
        codes = self.corpus.codes[self.corpus.held_out :]
        return float(code_lengths(log_probabilities, codes, self.corpus.vocabulary).mean())

    def draws(self, epoch: int) -> tuple[np.random.Generator, Array]:
        """Return what an epoch's places are drawn with, and its key for dropout."""
        key = jax.random.fold_in(jax.random.key(self.seed, impl=PRNG_IMPL), epoch + 1)
        return np.random.default_rng((self.seed, epoch + 1)), key


def portions(updates: int) -> list[slice]:
    """Divide an epoch's updates into those that are taken `AT_ONCE`, or nearly so many."""
    ends = np.linspace(0, updates, -(-updates // AT_ONCE) + 1).astype(int).tolist()
    return [slice(*part) for part in pairwise(ends)]


def updated(
    learned: TextTrainState, optimizer: Any, slopes: Any, loss: Array, *, carried: Any
) -> TextTrainState:
    """Return what is learned after an update; loss: its mean, in nats."""
    updates, moments = optimizer.update(slopes, learned.moments, learned.parameters)
    sums = learned.sums + jnp.stack([loss / jnp.log(2.0), 1.0])
    return TextTrainState(optax.apply_updates(learned.parameters, updates), moments, carried, sums)


def parameter_count(parameters: Any) -> int:
    """Return how many numbers a network learns."""
    return sum(leaf.size for leaf in jax.tree.leaves(parameters))


def refuse_short(corpus: Corpus, needed: int) -> None:
    """Raise UserError for a text with too little to learn from."""
    if corpus.held_out < needed or corpus.held_out == len(corpus.codes):
        raise UserError(
            f"the text's first 90 % has {corpus.held_out} characters and these settings need {needed}: "
            "take a longer text, or a smaller window, batch_size or steps"
        )
