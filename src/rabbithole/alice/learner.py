"""What is common to the ways of learning a text, and of writing one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import Array

from rabbithole.alice.corpus import Corpus, code_lengths
from rabbithole.errors import UserError

KEYS = "rbg"
"""Random bits come from the processor's own generator: threefry would take a good part of the time."""

Step = Callable[[Any, Array], tuple[Any, Array]]


class Learner(ABC):
    """A text network and the way it is taught, one `epoch` after the other.

    graph, parameters: the network, as `flax.nnx.split` returns it; moments: the optimiser's state. The seed
    and an epoch's number fix all that is drawn in it.
    """

    graph: Any
    parameters: Any
    moments: Any

    def __init__(self, corpus: Corpus, settings: dict[str, Any], *, seed: int) -> None:
        self.corpus = corpus
        self.settings = settings
        self.seed = seed
        self.graph, self.parameters = nnx.split(
            self.build(settings, symbols=corpus.vocabulary.symbols, seed=seed), nnx.Param
        )

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
    def epoch(self, number: int) -> float:
        """Go through the first part of the text once; return the mean loss on the way, in bits."""

    @abstractmethod
    def log_probabilities(self) -> np.ndarray:
        """Return the natural logarithm of each held-out character's probability, given those before it."""

    def adapting_log_probabilities(self) -> np.ndarray | None:
        """Return the same of a reader that goes on learning as it reads; None where there is none."""
        return None

    def bits(self, log_probabilities: np.ndarray) -> float:
        """Return the mean cost of a held-out character, in bits."""
        codes = self.corpus.codes[self.corpus.held_out :]
        return float(code_lengths(log_probabilities, codes, self.corpus.vocabulary).mean())

    def draws(self, number: int) -> tuple[np.random.Generator, Array]:
        """Return what an epoch's places are drawn with, and its key for dropout."""
        key = jax.random.fold_in(jax.random.key(self.seed, impl=KEYS), number)
        return np.random.default_rng((self.seed, number)), key


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
