"""What a network is trained for: its outputs, its loss, and how valid is judged.

Found by name when asked for, as models are, so that no task's code counts as another's.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.training.batching import Batch, Shape
from rabbithole.training.data import Encoding
from rabbithole.windows.arrays import Windows

CLASSES = {"buyer": ("purchase", "PurchaseObjective"), "next_event": ("next_event", "NextEventObjective")}
"""The class of each task, in the module of `rabbithole.training` that has the task's name."""

Forward = Callable[[Windows, list[Shape]], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""From windows and the shapes of batches to each batch's sessions and their logits; see `logits_of`."""


class Objective(ABC):
    """A task with the sessions to learn from (`train`) and to stop by (`valid`)."""

    train: Windows
    valid: Windows
    outputs: int
    fewest_batches: int
    """Batches that an epoch has at least, of fewer sessions each where train is small."""

    @classmethod
    @abstractmethod
    def read(
        cls, windows: Path, encoding: Encoding, *, balance: str, augmentation: dict[str, Any]
    ) -> "Objective":
        """Read train and valid; `UserError` where there is nothing to learn."""

    @abstractmethod
    def description(self, forward: Forward, shapes: list[Shape]) -> dict[str, Any]:
        """Return what scoring must know of the trained network besides model and encoding."""

    @abstractmethod
    def initial_logits(self) -> NDArray[np.float32]:
        """Return the logits to begin with, float32 [outputs]."""

    @abstractmethod
    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the sessions to train on in an epoch."""

    @abstractmethod
    def known(self) -> tuple[NDArray[Any], ...]:
        """Return what answers are taken from: arrays by session or by step of train.

        The last entry of each, one more than there are, answers for places and steps that are none.
        """

    @abstractmethod
    def answers(self, batch: Batch, *known: Any) -> tuple[Any, ...]:
        """Return what the loss takes besides the logits, arrays [batch, ..] each.

        batch: as augmented; known: what `known` gives. Arrays are NumPy's, or JAX's on an accelerator.
        """

    @abstractmethod
    def loss(self, logits: Array, *answers: Array) -> tuple[Array, Array]:
        """Return the sum over a batch to learn from, and two sums whose ratio is the loss to tell, [2]."""

    @abstractmethod
    def judge(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return figures of valid: `valid_loss` and others named `valid_..`."""

    @abstractmethod
    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return what the best epoch has most of."""


def objective_class(name: str) -> type[Objective]:
    """Return the class of a task."""
    module, attribute = CLASSES[name]
    found: type[Objective] = getattr(importlib.import_module(f"rabbithole.training.{module}"), attribute)
    return found
