"""The task that the deck keeps to: will this session buy?"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.training.batching import Batch, Shape
from rabbithole.training.calibration import (
    balanced_rows,
    class_weights,
    fit_calibration,
    natural_log_odds,
    prior_shift,
)
from rabbithole.training.data import Encoding, read_split, refuse_one_class
from rabbithole.training.objective import Forward, Objective
from rabbithole.windows.arrays import Windows


class PurchaseObjective(Objective):
    """Two log odds a step: of a purchase yet to come, and of one right after the session's end."""

    outputs = 2
    fewest_batches = 100
    """A network takes some hundred steps to learn what is plain in a log. Of 10,000 sessions, batches of 128
    in the place of 1,024 raised the AUC of the GRU by .01 to .03."""

    def __init__(self, train: Windows, valid: Windows, *, balance: str, prefixes: bool) -> None:
        self.train, self.valid = train, valid
        self.balance, self.prefixes = balance, prefixes
        self.shift = prior_shift(train.buyer, balance)
        self.weights = class_weights(train.buyer, balance)

    @classmethod
    def read(
        cls, windows: Path, encoding: Encoding, *, balance: str, augmentation: dict[str, Any]
    ) -> "PurchaseObjective":
        """Read train and valid; `UserError` where either lacks buyers or others."""
        data = {split: read_split(windows, split, encoding) for split in ("train", "valid")}
        for split, found in data.items():
            refuse_one_class(found, split)
        return cls(**data, balance=balance, prefixes=augmentation["prefixes"])

    def description(self, forward: Forward, shapes: list[Shape]) -> dict[str, Any]:
        """Return what makes log odds true, and whether running sessions were learned."""
        running = RUNNING if self.prefixes else ENDED
        return self.true_odds(
            lambda steps: network_logits(forward, self.valid, steps, shapes=shapes, running=running),
            length=shapes[-1].steps,
        )

    def true_odds(self, logits: Callable[[list[int]], NDArray[np.float64]], *, length: int) -> dict[str, Any]:
        """Return the same of any model; logits: from steps to those of valid, as trained."""
        calibration = fit_calibration(logits, self.valid, shift=self.shift, length=length)
        return {"calibration": calibration, "prefixes": self.prefixes}

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the log odds of the share of buyers among the sessions trained on."""
        return np.full(2, natural_log_odds(self.train.buyer) - self.shift, np.float32)

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the sessions of an epoch, balanced."""
        return balanced_rows(self.train.buyer, self.balance, seed=seed, epoch=epoch)

    def known(self) -> tuple[NDArray[Any], ...]:
        """Return label and weight of each session, float32 [n + 1]."""
        nobody = np.float32(0)
        return np.append(self.train.buyer.astype(np.float32), nobody), np.append(self.weights, nobody)

    def answers(self, batch: Batch, *known: Any) -> tuple[Any, ...]:
        """Return steps, int32 [batch], label and weight, float32 [batch]."""
        buyer, weights = known
        return batch.lengths, buyer[batch.rows], weights[batch.rows]

    def loss(self, logits: Array, *answers: Array) -> tuple[Array, Array]:
        """Return the loss, and the sums of ended sessions' losses and of the weights."""
        lengths, buyer, weights = answers
        total, ended = purchase_losses(logits, buyer, lengths, weights, prefixes=self.prefixes)
        return total, jnp.stack([ended, jnp.sum(weights)])

    def judge(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return `valid_loss` (nats a session) and `valid_auc` of ended sessions."""
        # Here, as scoring judges nothing and need not wait a second for scikit-learn.
        from rabbithole.training.judge import judge

        return judge(self.valid.buyer, self.logits(forward, self.valid, [0], shapes)[0])

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the AUC of valid."""
        return float(metrics["valid_auc"])

    def logits(
        self, forward: Forward, windows: Windows, steps: list[int], shapes: list[Shape]
    ) -> NDArray[np.float64]:
        """Return natural log odds, not yet calibrated; see `network_logits`."""
        running = RUNNING if self.prefixes else ENDED
        return self.shift + network_logits(forward, windows, steps, shapes=shapes, running=running)


def purchase_losses(
    logits: Array, buyer: Array, lengths: Array, weights: Array, *, prefixes: bool
) -> tuple[Array, Array]:
    """Return the sums over a batch of the loss to learn from and of that of ended sessions, float32 [] each.

    logits: float32 [batch, steps, 2]; buyer, weights: float32 [batch]; lengths: int32 [batch].
    With `prefixes` half of a session's weight is that of its end; the other half goes to its prefixes as
    running sessions, 1/k of it to the one of k steps. A prefix's weight may not depend on how much follows
    (an equal share of each session's weight would count the prefixes of long sessions, thus of buyers, too
    little), else the probabilities of running sessions were biased.
    """
    steps = logits.shape[1]
    last = jnp.maximum(lengths - 1, 0)
    ended = jnp.take_along_axis(logits[..., ENDED], last[:, None], axis=1)[:, 0]
    end = jnp.sum(weights * optax.sigmoid_binary_cross_entropy(ended, buyer))
    if not prefixes:
        return end, end
    number = jnp.arange(1, steps + 1)
    share = jnp.where(number <= lengths[:, None], 1 / number, 0.0)
    each = optax.sigmoid_binary_cross_entropy(logits[..., RUNNING], buyer[:, None])
    return 0.5 * end + 0.5 * jnp.sum(weights[:, None] * share * each), end


def network_logits(
    forward: Forward,
    windows: Windows,
    steps: list[int],
    *,
    shapes: list[Shape],
    running: int,
) -> NDArray[np.float64]:
    """Return the log odds that a network gives, float64 [len(steps), n]; one pass judges all steps.

    Step 0 is the ended session; k the session still running after its first k steps, NaN where it is
    shorter. running: the column of the logits read for running sessions.
    """
    out = np.full((len(steps), len(windows)), np.nan)
    all_lengths = windows.lengths
    for rows, logits in forward(windows, shapes):
        lengths = all_lengths[rows]
        for index, step in enumerate(steps):
            if step == 0:
                out[index, rows] = logits[np.arange(len(rows)), lengths - 1, ENDED]
            elif step <= logits.shape[1]:
                long = lengths >= step
                out[index, rows[long]] = logits[long, step - 1, running]
    return out
