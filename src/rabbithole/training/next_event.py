"""The next-event objective: which event comes next, and of which category is it?"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray
from scipy.special import log_softmax

from rabbithole.errors import UserError
from rabbithole.specs.training import AugmentationSpec, Balance
from rabbithole.training.batching import Batch, Shape, make_batch
from rabbithole.training.train_step import Forward, require_finite
from rabbithole.windows.arrays import Encoding, Windows, concatenate_windows, read_from_start, read_split
from rabbithole.windows.next_events import IGNORED, Classes, next_event_labels, read_classes

Logs = NDArray[np.float64]


class NextEventObjective:
    """Logits of the next event's classes, then of its category's, after each step.

    labels: the classes of the next event and of its category, int32 [total + 1] each; see `target_arrays`.
    """

    min_batches = 1
    """Every event is a target. With more steps the networks memorise what changes with the calendar."""

    def __init__(self, train: Windows, valid: Windows, classes: Classes, length: int) -> None:
        self.train, self.valid = train, valid
        self.classes, self.length = classes, length
        self.outputs = len(classes.events) + len(classes.categories)
        self.labels = tuple(
            np.append(labels, np.int32(IGNORED)) for labels in next_event_labels(train, classes, length)
        )

    @classmethod
    def read(
        cls,
        windows: Path,
        encoding: Encoding,
        *,
        balance: Balance,  # noqa: ARG003 - the settings allow no balance
        augmentation: AugmentationSpec,  # noqa: ARG003 - every step is a target, and no event is dropped
    ) -> Self:
        """Read train and valid; raises `UserError` where either holds no session."""
        train = hide_earlier_events(read_split(windows, "train", encoding), encoding.length)
        valid = concatenate_windows(list(read_from_start(windows, "valid", encoding)))
        if not len(train) or not len(valid):
            raise UserError(f"{windows}: train or valid holds no session to learn the next event from.")
        return cls(train, valid, read_classes(windows), encoding.length)

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:  # noqa: ARG002 - nothing is random
        """Return all sessions."""
        return np.arange(len(self.train))

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the logarithms of the classes' smoothed shares in train, float32 [outputs]."""
        sizes = len(self.classes.events), len(self.classes.categories)
        shares = [log_shares(labels, size) for labels, size in zip(self.labels, sizes, strict=True)]
        return np.concatenate(shares).astype(np.float32)

    def target_arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the classes of the event after each step and of its category, int32 [total + 1] each."""
        return self.labels

    def batch_targets(self, batch: Batch, *arrays: Any) -> tuple[Any, ...]:
        """Return the classes of the next events and of their categories, int32 [batch, steps] each."""
        return tuple(labels[batch.steps] for labels in arrays)

    def loss(self, logits: Array, *targets: Array) -> tuple[Array, Array]:
        """Return the cross-entropy of event and category; to report: it and the number of next events."""
        cut = len(self.classes.events)
        total = jnp.zeros(())
        for part, labels in zip((logits[..., :cut], logits[..., cut:]), targets, strict=True):
            if part.shape[-1]:
                losses = optax.softmax_cross_entropy_with_integer_labels(part, jnp.maximum(labels, 0))
                total += jnp.sum(jnp.where(labels >= 0, losses, 0.0))
        return total, jnp.stack([total, jnp.sum(targets[0] >= 0).astype(jnp.float32)])

    def evaluate(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return `valid_loss`: nats per next event, including its category."""
        targets = next_event_labels(self.valid, self.classes, self.length)
        total = 0.0
        for index, *parts in predict_batches(forward, self.valid, shapes, self.classes):
            for logs, labels in zip(parts, targets, strict=True):
                rows = np.flatnonzero(labels[index] >= 0)
                total -= float(logs[rows, labels[index][rows]].sum())
        return {"valid_loss": total / int(np.sum(targets[0] >= 0))}

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the negative cross-entropy on valid."""
        return -float(metrics["valid_loss"])

    def fit_calibration(self, forward: Forward, shapes: list[Shape], *, length: int) -> None:
        """Return None: the probabilities of next events are not calibrated."""

    def valid_losses(self, forward: Forward, shapes: list[Shape], *, length: int) -> None:
        """Return None: see `fit_calibration`."""


def hide_earlier_events(windows: Windows, length: int) -> Windows:
    """Return windows that do not show whether events came before them.

    A window holds its session's last events. Dwell time before its first step would reveal a longer session,
    and with it that the session goes on to the window's end. `next_event_labels` ignores such ends too.
    """
    if "dwell" not in windows.fields.numeric:
        return windows
    numbers = windows.numbers.copy()
    dwell = windows.fields.numeric.index("dwell")
    numbers[windows.offsets[:-1][windows.events > length], dwell] = np.nan
    return dataclasses.replace(windows, numbers=numbers)


def log_shares(labels: NDArray[np.int32], size: int) -> Logs:
    """Return the logarithms of the classes' shares, each count plus one, float64 [size]."""
    counts = np.bincount(labels[labels >= 0], minlength=size) + 1
    return np.asarray(np.log(counts / counts.sum()))


def predict_batches(
    forward: Forward, windows: Windows, shapes: list[Shape], classes: Classes
) -> Iterator[tuple[NDArray[np.int64], Logs, Logs]]:
    """Yield, batch by batch, indices of steps and the log probabilities of what follows them.

    The indices are int64 [m], among the steps of all windows; the log probabilities are those of event and
    category, float64 [m, classes] each.
    """
    cut = len(classes.events)
    for rows, batch_logits in forward(windows, shapes):
        batch = make_batch(windows, rows, Shape(len(rows), batch_logits.shape[1]))
        inside = batch.steps >= 0
        logits = batch_logits[inside].astype(np.float64)
        require_finite(logits)
        category = log_softmax(logits[:, cut:], axis=1) if classes.categories else logits[:, cut:]
        yield batch.steps[inside], log_softmax(logits[:, :cut], axis=1), category
