"""What a network is trained for: its outputs, its loss, and how valid is judged.

Found by name when asked for, as models are, so that no task's code counts as another's.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.training.batches import Batch, Shape
from rabbithole.training.inputs import Encoding
from rabbithole.windows.arrays import Windows

CLASSES = {"buyer": "Buyer", "next_event": "NextEvent"}
"""The class of each task, in the module of `rabbithole.training` that has the task's name."""

Forward = Callable[[NDArray[np.int32], NDArray[np.float32]], Array]
"""From codes and numbers of a batch to its logits."""


class Task(ABC):
    """A task with the sessions to learn from (`train`) and to stop by (`valid`)."""

    train: Windows
    valid: Windows
    outputs: int
    fewest_batches: int
    """Batches that an epoch has at least, of fewer sessions each where train is small."""

    @classmethod
    @abstractmethod
    def read(cls, windows: Path, encoding: Encoding, *, balance: str, augmentation: dict[str, Any]) -> "Task":
        """Read train and valid; `UserError` where there is nothing to learn."""

    @abstractmethod
    def description(self, forward: Forward, shapes: list[Shape]) -> dict[str, Any]:
        """Return what scoring must know of the trained network besides model and encoding."""

    @abstractmethod
    def first_guess(self) -> NDArray[np.float32]:
        """Return the logits to begin with, float32 [outputs]."""

    @abstractmethod
    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the sessions to train on in an epoch."""

    @abstractmethod
    def answers(self, batch: Batch) -> tuple[NDArray[Any], ...]:
        """Return what the loss takes besides the logits, arrays [batch, ..] each; `batch` is as augmented."""

    @abstractmethod
    def loss(self, logits: Array, *answers: Array) -> tuple[Array, Array]:
        """Return the sum over a batch to learn from, and two sums whose ratio is the loss to tell, [2]."""

    @abstractmethod
    def judge(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return figures of valid: `valid_loss` and others named `valid_..`."""

    @abstractmethod
    def merit(self, row: dict[str, Any]) -> float:
        """Return what the best epoch has most of."""


def task_class(name: str) -> type[Task]:
    """Return the class of a task."""
    found: type[Task] = getattr(importlib.import_module(f"rabbithole.training.{name}"), CLASSES[name])
    return found
