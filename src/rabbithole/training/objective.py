"""What a network is trained for: its targets, its loss, and its metrics on valid.

An objective is imported only when it is asked for, like a model, so that its code is part of no other
objective's digest.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from jax import Array
from numpy.typing import NDArray

from rabbithole.artifacts.training import Calibration
from rabbithole.errors import UserError
from rabbithole.registry import load_module
from rabbithole.specs.training import AugmentationSpec, Balance, Target
from rabbithole.training.batching import Batch, Shape
from rabbithole.training.data import Encoding
from rabbithole.windows.arrays import Windows

CLASSES: dict[Target, str] = {"buyer": "PurchaseObjective", "next_event": "NextEventObjective"}
"""The class of each target's objective. `registry.OBJECTIVES` has its module."""

Forward = Callable[[Windows, list[Shape]], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""A network: from windows and batch shapes to the sessions and logits of each batch; see `predict_logits`."""

ValidLogits = Callable[[list[int]], NDArray[np.float64]]
"""From steps to a model's log odds on valid as trained, float64 [len(steps), n], NaN for shorter sessions."""


class Objective(Protocol):
    """A prediction target, with the sessions to train on and those for early stopping.

    outputs: the network's logits per step; min_batches: batches that an epoch has at least. Where train
    is small, each holds fewer sessions.
    """

    train: Windows
    valid: Windows
    outputs: int
    min_batches: int

    @classmethod
    def read(
        cls, windows: Path, encoding: Encoding, *, balance: Balance, augmentation: AugmentationSpec
    ) -> Self:
        """Read train and valid; raises `UserError` when they cannot be trained on."""

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the sessions to train on in an epoch, int64 [m]."""

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the logits that an untrained network should predict, float32 [outputs]."""

    def target_arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays, by session or by step of train, that `batch_targets` indexes.

        Each has one more entry at the end. Index -1 reads it: that of empty places and of padding.
        """

    def batch_targets(self, batch: Batch, *arrays: Any) -> tuple[Any, ...]:
        """Return a batch's targets, arrays [batch, ..], which `loss` takes.

        batch: after augmentation; arrays: the `target_arrays`, NumPy's or, on an accelerator, JAX's.
        """

    def loss(self, logits: Array, *targets: Array) -> tuple[Array, Array]:
        """Return the training loss and two sums whose ratio is the loss to report, float32 [] and [2].

        The training loss is a sum over the batch. logits: float32 [batch, steps, outputs].
        """

    def evaluate(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return metrics on valid: `valid_loss`, and others whose names start with `valid_`."""

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the value that early stopping maximises."""

    def fit_calibration(self, forward: Forward, shapes: list[Shape], *, length: int) -> Calibration | None:
        """Fit the trained network's calibration on valid; None where its logits are used as they are."""

    def valid_losses(
        self, forward: Forward, shapes: list[Shape], *, length: int
    ) -> NDArray[np.float64] | None:
        """Return the calibrated network's loss of each valid session, float64 [n]; None if there is none."""


def require_finite(logits: NDArray[Any]) -> None:
    """Raise `UserError` where a network's outputs are not finite."""
    if not np.isfinite(logits).all():
        raise UserError("the network's outputs are not finite. Take a smaller learning_rate.")


def objective_class(target: Target) -> type[Objective]:
    """Return the class of a target's objective."""
    objective: type[Objective] = getattr(load_module("objective", target), CLASSES[target])
    return objective
