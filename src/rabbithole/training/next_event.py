"""The task of the deck's other question: which event comes next, and of which category?"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray
from scipy.special import log_softmax

from rabbithole.errors import UserError
from rabbithole.training.batching import Batch, Shape, make_batch
from rabbithole.training.data import Encoding, read_from_start, read_split
from rabbithole.training.objective import Forward, Objective
from rabbithole.windows.arrays import Windows, concatenate_windows
from rabbithole.windows.fields import NUMERIC
from rabbithole.windows.next_events import IGNORED, Classes, next_event_labels, read_classes

DWELL = NUMERIC.index("dwell")

Logs = NDArray[np.float64]


class NextEventObjective(Objective):
    """Logits of the next event's classes, then of its category's, after each step."""

    fewest_batches = 1
    """Every event is an answer: in more steps the networks learn by heart what changes with the calendar."""

    def __init__(self, train: Windows, valid: Windows, classes: Classes, length: int) -> None:
        self.train, self.valid = train, valid
        self.classes, self.length = classes, length
        self.outputs = len(classes.events) + len(classes.categories)
        self.asked = tuple(
            np.append(asked, np.int32(IGNORED)) for asked in next_event_labels(train, classes, length)
        )

    @classmethod
    def read(
        cls,
        windows: Path,
        encoding: Encoding,
        *,
        balance: str,  # noqa: ARG003 - the settings allow none
        augmentation: dict[str, Any],  # noqa: ARG003 - all steps are asked about, and no event is dropped
    ) -> "NextEventObjective":
        """Read train and valid; `UserError` where valid holds no session."""
        train = hide_earlier_events(read_split(windows, "train", encoding), encoding.length)
        valid = concatenate_windows(list(read_from_start(windows, "valid", encoding)))
        if not len(train) or not len(valid):
            raise UserError(f"{windows}: train or valid holds no session to learn the next event from.")
        return cls(train, valid, read_classes(windows), encoding.length)

    def description(self, forward: Forward, shapes: list[Shape]) -> dict[str, Any]:  # noqa: ARG002
        """Return what tells this model from one of buyers."""
        return {"target": "next_event", "outputs": self.outputs}

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the logarithms of the classes' shares in train, each counted once more."""
        sizes = len(self.classes.events), len(self.classes.categories)
        return np.concatenate(
            [log_shares(asked, size) for asked, size in zip(self.asked, sizes, strict=True)]
        ).astype(np.float32)

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:  # noqa: ARG002 - nothing is drawn
        """Return all sessions."""
        return np.arange(len(self.train))

    def known(self) -> tuple[NDArray[Any], ...]:
        """Return the class of the event after each step and of its category, int32 [total + 1] each."""
        return self.asked

    def next_event_labels(self, batch: Batch, *known: Any) -> tuple[Any, ...]:
        """Return the classes of next events and of their categories, int32 [batch, steps] each."""
        return tuple(asked[batch.steps] for asked in known)

    def loss(self, logits: Array, *answers: Array) -> tuple[Array, Array]:
        """Return the cross-entropy of event and category together, and that and the events asked for."""
        cut = len(self.classes.events)
        total = jnp.zeros(())
        for part, asked in zip((logits[..., :cut], logits[..., cut:]), answers, strict=True):
            if part.shape[-1]:
                each = optax.softmax_cross_entropy_with_integer_labels(part, jnp.maximum(asked, 0))
                total += jnp.sum(jnp.where(asked >= 0, each, 0.0))
        return total, jnp.stack([total, jnp.sum(answers[0] >= 0).astype(jnp.float32)])

    def judge(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return `valid_loss`: nats for each next event, its category included."""
        asked = next_event_labels(self.valid, self.classes, self.length)
        total = 0.0
        for index, *parts in predict_batches(forward, self.valid, shapes, self.classes):
            for logs, truth in zip(parts, asked, strict=True):
                rows = np.flatnonzero(truth[index] >= 0)
                total -= float(logs[rows, truth[index][rows]].sum())
        return {"valid_loss": total / int(np.sum(asked[0] >= 0))}

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the cross-entropy on valid with its sign changed."""
        return -float(metrics["valid_loss"])


def hide_earlier_events(windows: Windows, length: int) -> Windows:
    """Return windows of which none tells that its session began before it.

    A window holds its session's last events, so that one of a longer session would tell by the time before
    its first step that the session goes on to the window's end. `answers` asks for no such end either.
    """
    numbers = windows.numbers.copy()
    numbers[windows.offsets[:-1][windows.events > length], DWELL] = np.nan
    return dataclasses.replace(windows, numbers=numbers)


def log_shares(classes: NDArray[np.int32], size: int) -> Logs:
    """Return the logarithms of the shares of classes, each counted once more, float64 [size]."""
    counts = np.bincount(classes[classes >= 0], minlength=size) + 1
    return np.asarray(np.log(counts / counts.sum()))


def predict_batches(
    forward: Forward, windows: Windows, shapes: list[Shape], classes: Classes
) -> Iterator[tuple[NDArray[np.int64], Logs, Logs]]:
    """Yield steps of windows, int64 [m], and log probabilities of event and category, float64 [m, ..]."""
    cut = len(classes.events)
    for rows, found in forward(windows, shapes):
        batch = make_batch(windows, rows, Shape(len(rows), found.shape[1]))
        there = batch.steps >= 0
        logits = found[there].astype(np.float64)
        category = log_softmax(logits[:, cut:], axis=1) if classes.categories else logits[:, cut:]
        yield batch.steps[there], log_softmax(logits[:, :cut], axis=1), category
