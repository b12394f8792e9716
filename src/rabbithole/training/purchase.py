"""The purchase objective: will this session buy? With its balancing of classes and its calibration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from rabbithole.artifacts.training import Calibration, CalibrationLine
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.specs.training import AugmentationSpec, Balance
from rabbithole.training.batching import Batch, Shape, first_own_steps
from rabbithole.training.train_step import Forward, ValidLogits, require_finite
from rabbithole.windows.arrays import Encoding, Windows, has_both_classes, read_split, require_both_classes


def balanced_rows(buyer: NDArray[np.int8], balance: Balance, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the sessions to train on in an epoch, int64 [m].

    `undersample` draws as many non-buyers as there are buyers. `oversample` repeats buyers until they are as
    many as the non-buyers. Each epoch draws others.
    """
    rows = np.arange(len(buyer))
    if balance not in ("undersample", "oversample"):
        return rows
    # The import takes two seconds, and scoring and most trainings do not need it.
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler if balance == "undersample" else RandomOverSampler
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    balanced, _ = sampler(random_state=state).fit_resample(rows[:, None], buyer)
    return np.asarray(balanced[:, 0], np.int64)


def class_weights(buyer: NDArray[np.int8], balance: Balance) -> NDArray[np.float32]:
    """Return each session's weight, float32 [n], mean 1; with `class_weight` both classes weigh the same."""
    if balance != "class_weight":
        return np.ones(len(buyer), np.float32)
    share = buyer.mean()
    return np.where(buyer == 1, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)


def prior_shift(buyer: NDArray[np.int8], balance: Balance) -> float:
    """Return what turns log odds trained on balanced sessions into those of the natural share of buyers.

    Balancing multiplies the odds of every session by non-buyers / buyers, whatever its features. So adding
    log(buyers / non-buyers) is exact (Elkan 2001, The Foundations of Cost-Sensitive Learning, theorem 2). It
    holds for running sessions too, as sessions are drawn or weighted as a unit.
    """
    return 0.0 if balance == "none" else natural_log_odds(buyer)


def natural_log_odds(buyer: NDArray[np.int8]) -> float:
    """Return log(buyers / non-buyers)."""
    buyers = int(buyer.sum())
    return float(np.log(buyers) - np.log(len(buyer) - buyers))


SLOPE_SCALE = 0.3
"""Scale of the prior of log(slope). Networks trained on few sessions had slopes of 0.8 to 1.3. A model that
memorised a few buyers, each seen a hundred times, has a slope of 0.1: so the prior has heavy tails."""

INTERCEPT_SCALE = 1.5
"""Scale of the prior of the change in an average session's log odds, which few buyers determine poorly."""


def fit_calibration(
    logits: Callable[[list[int]], NDArray[np.float64]], valid: Windows, *, shift: float, length: int
) -> Calibration:
    """Fit slope and intercept on valid's log odds, for ended sessions and for running ones.

    logits: from steps to log odds as trained, float64 [len(steps), n], NaN for shorter sessions; shift: see
    `prior_shift`. The method is that of Platt (1999, Probabilistic outputs for support vector machines), but
    with Cauchy priors around a slope of 1 and no change on average, as valid may hold few buyers (Gelman,
    Jakulin, Pittau and Su 2008, A weakly informative default prior distribution for logistic and other
    regression models). Running sessions are taken after 1, 2, 4, ... events; together they weigh as much as
    all sessions once. Sessions of more than `length` events are left out of them, as their first events
    are not in valid. Where valid lacks buyers or others, nothing is fitted, and only the shift is applied.
    """
    if not 0 < int(valid.buyer.sum()) < len(valid):
        unfitted = CalibrationLine(slope=1.0, intercept=shift)
        return Calibration(ended=unfitted, running=unfitted)
    log_odds = logits([0, *running_steps(length)]) + shift
    log_odds[1:, valid.events > length] = np.nan
    centre = natural_log_odds(valid.buyer)

    def line(log_odds: NDArray[np.float64]) -> CalibrationLine:
        which, sessions = np.nonzero(~np.isnan(log_odds))
        if not len(sessions):
            return CalibrationLine(slope=1.0, intercept=shift)
        slope, intercept = _fit(
            log_odds[which, sessions] - centre,
            valid.buyer[sessions],
            centre,
            weight=len(valid) / len(sessions),
        )
        return CalibrationLine(slope=slope, intercept=intercept + slope * shift)

    return Calibration(ended=line(log_odds[:1]), running=line(log_odds[1:]))


def running_steps(length: int) -> list[int]:
    """Return the numbers of events after which running sessions are fitted: 1, 2, 4, ... up to `length`."""
    return [2**power for power in range(length.bit_length()) if 2**power <= length]


def calibrate(logits: NDArray[np.float64], steps: list[int], calibration: Calibration) -> NDArray[np.float64]:
    """Return calibrated log odds, float64 [len(steps), n]; step 0 is the ended session."""
    lines = [calibration.running if step else calibration.ended for step in steps]
    slope = np.array([[line.slope] for line in lines])
    intercept = np.array([[line.intercept] for line in lines])
    return slope * logits + intercept


def _fit(
    centred: NDArray[np.float64], buyer: NDArray[np.int8], centre: float, *, weight: float
) -> tuple[float, float]:
    """Return slope and intercept; centred: log odds minus `centre`, float64 [m]."""
    scale = np.array([SLOPE_SCALE, INTERCEPT_SCALE])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, Any]:
        """Return the negative log posterior and its gradient; parameters: log(slope) and the change."""
        slope = np.exp(parameters[0])
        log_odds = parameters[1] + centre + slope * centred
        errors = expit(log_odds) - buyer
        scaled = parameters / scale
        prior_gradient = 2 * scaled / (1 + scaled**2) / scale
        gradient = weight * np.array([(errors * slope * centred).sum(), errors.sum()]) + prior_gradient
        likelihood = (np.logaddexp(0, log_odds) - buyer * log_odds).sum()
        return float(weight * likelihood + np.log1p(scaled**2).sum()), gradient

    log_slope, change = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    slope = float(np.exp(log_slope))
    return slope, float(change + centre - slope * centre)


class PurchaseObjective:
    """Two logits per step: the log odds of a purchase for a running and for an ended session.

    shift: see `prior_shift`; weights: float32 [n], each train session's weight in the loss.
    """

    outputs = 2
    min_batches = 100
    """A network needs some hundred steps to converge on the main effects. With 10,000 sessions, batches of
    128 instead of 1,024 raised the AUC of the GRU by .01 to .03."""

    def __init__(self, train: Windows, valid: Windows, *, balance: Balance, prefixes: bool) -> None:
        self.train, self.valid = train, valid
        self.balance: Balance = balance
        self.prefixes = prefixes
        self.shift = prior_shift(train.buyer, balance)
        self.weights = class_weights(train.buyer, balance)

    @classmethod
    def read(
        cls, windows: Path, encoding: Encoding, *, balance: Balance, augmentation: AugmentationSpec
    ) -> Self:
        """Read train and valid; raises `UserError` where train lacks buyers or non-buyers."""
        train, valid = (read_split(windows, split, encoding) for split in ("train", "valid"))
        require_both_classes(train)
        return cls(train, valid, balance=balance, prefixes=augmentation.prefixes)

    def rows(self, *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the sessions of an epoch, balanced, int64 [m]."""
        return balanced_rows(self.train.buyer, self.balance, seed=seed, epoch=epoch)

    def initial_logits(self) -> NDArray[np.float32]:
        """Return the log odds of the share of buyers among the balanced sessions, float32 [2]."""
        return np.full(2, natural_log_odds(self.train.buyer) - self.shift, np.float32)

    def target_arrays(self) -> tuple[NDArray[Any], ...]:
        """Return label and weight of each session, float32 [n + 1] each, the last entry 0.

        Where any session has a history, the index of each session's own first step follows, int32 [n + 1].
        """
        labels = self.train.buyer.astype(np.float32)
        targets = np.append(labels, np.float32(0)), np.append(self.weights, np.float32(0))
        if not self.train.history.any():
            return targets
        return *targets, first_own_steps(self.train)

    def batch_targets(self, batch: Batch, *arrays: Any) -> tuple[Any, ...]:
        """Return the sessions' lengths, int32 [batch], labels and weights, float32 [batch].

        With history, the number of history steps follows, int32 [batch]. Counting them in the batch leaves
        out those that augmentation dropped.
        """
        labels, weights, *own = arrays
        targets = batch.lengths, labels[batch.rows], weights[batch.rows]
        if not own:
            return targets
        earlier = (batch.steps >= 0) & (batch.steps < own[0][batch.rows][:, None])
        return *targets, earlier.sum(1).astype(np.int32)

    def loss(self, logits: Array, *targets: Array) -> tuple[Array, Array]:
        """Return the training loss, and the sums of the ended sessions' losses and of the weights."""
        lengths, labels, weights, *history = targets
        total, ended = purchase_losses(logits, labels, lengths, weights, *history, prefixes=self.prefixes)
        return total, jnp.stack([ended, jnp.sum(weights)])

    def evaluate(self, forward: Forward, shapes: list[Shape]) -> dict[str, float]:
        """Return the `valid_loss` of ended sessions (nats), and `valid_auc` if valid has both classes."""
        # The import takes a second, and scoring does not need it.
        from sklearn.metrics import log_loss, roc_auc_score

        logits = self.logits(forward, self.valid, [0], shapes)[0]
        metrics = {"valid_loss": float(log_loss(self.valid.buyer, expit(logits), labels=[0, 1]))}
        if has_both_classes(self.valid):
            metrics["valid_auc"] = float(roc_auc_score(self.valid.buyer, logits))
        return metrics

    def monitor(self, metrics: Mapping[str, float]) -> float:
        """Return the AUC on valid, or the negative loss where valid lacks a class."""
        return float(metrics["valid_auc"]) if "valid_auc" in metrics else -float(metrics["valid_loss"])

    def valid_logits(self, forward: Forward, shapes: list[Shape]) -> ValidLogits:
        """Return a function from steps to the network's log odds on valid; see `network_logits`."""
        running = running_column(self.prefixes)
        return lambda steps: network_logits(forward, self.valid, steps, shapes=shapes, running=running)

    def fit_calibration(self, forward: Forward, shapes: list[Shape], *, length: int) -> Calibration:
        """Fit the calibration of ended and running sessions on valid. length: see `fit_calibration`."""
        return self.fit_logit_calibration(self.valid_logits(forward, shapes), length=length)

    def fit_logit_calibration(self, logits: ValidLogits, *, length: int) -> Calibration:
        """Fit the calibration of any model; logits: its log odds on valid, see `fit_calibration`."""
        return fit_calibration(logits, self.valid, shift=self.shift, length=length)

    def valid_losses(self, forward: Forward, shapes: list[Shape], *, length: int) -> NDArray[np.float64]:
        """Return each valid session's log loss, float64 [n]; see `logit_losses`."""
        return self.logit_losses(self.valid_logits(forward, shapes), length=length)

    def logit_losses(self, logits: ValidLogits, *, length: int) -> NDArray[np.float64]:
        """Return each valid session's calibrated log loss under any model, float64 [n], in nats.

        It is the mean over the ended session and the running one after 1, 2, 4, ... events. As in
        `fit_calibration`, sessions longer than the window count as ended ones only.
        """
        steps = [0, *running_steps(length)]
        log_odds = calibrate(logits(steps), steps, self.fit_logit_calibration(logits, length=length))
        log_odds[1:, self.valid.events > length] = np.nan
        # NumPy warns of NaN here: sessions that end before a step.
        with np.errstate(invalid="ignore"):
            losses = np.logaddexp(0, log_odds) - self.valid.buyer * log_odds
        return np.asarray(np.nanmean(losses, axis=0))

    def logits(
        self, forward: Forward, windows: Windows, steps: list[int], shapes: list[Shape]
    ) -> NDArray[np.float64]:
        """Return log odds at the natural share of buyers, not yet calibrated; see `network_logits`."""
        running = running_column(self.prefixes)
        return self.shift + network_logits(forward, windows, steps, shapes=shapes, running=running)


def purchase_losses(
    logits: Array,
    labels: Array,
    lengths: Array,
    weights: Array,
    history: Array | None = None,
    *,
    prefixes: bool,
) -> tuple[Array, Array]:
    """Return a batch's training loss and its ended sessions' loss, both sums over the batch, float32 [].

    logits: float32 [batch, steps, 2]; labels, weights: float32 [batch]; lengths: int32 [batch], of
    all steps; history: int32 [batch], how many of them are of earlier sessions and so no prefix; None: none.
    With `prefixes`, half of a session's weight goes to its end. Its prefix of k steps, taken as a running
    session, gets 1/k of the other half. A prefix's weight may not depend on how much follows. If a session's
    prefixes shared its weight equally, those of long sessions, and so of buyers, would count too little, and
    the probabilities of running sessions would be biased.
    """
    last = jnp.maximum(lengths - 1, 0)
    ended_logits = jnp.take_along_axis(logits[..., ENDED], last[:, None], axis=1)[:, 0]
    ended = jnp.sum(weights * optax.sigmoid_binary_cross_entropy(ended_logits, labels))
    if not prefixes:
        return ended, ended
    step = jnp.arange(1, logits.shape[1] + 1)[None]
    if history is None:
        shares = jnp.where(step <= lengths[:, None], 1 / step, 0.0)
    else:
        own = step - history[:, None]
        counts = (own >= 1) & (step <= lengths[:, None])
        shares = jnp.where(counts, 1 / jnp.maximum(own, 1), 0.0)
    losses = optax.sigmoid_binary_cross_entropy(logits[..., RUNNING], labels[:, None])
    return 0.5 * ended + 0.5 * jnp.sum(weights[:, None] * shares * losses), ended


def running_column(prefixes: bool) -> int:
    """Return the logit to read for running sessions: that of ended ones where no prefix was trained on."""
    return RUNNING if prefixes else ENDED


def network_logits(
    forward: Forward,
    windows: Windows,
    steps: list[int],
    *,
    shapes: list[Shape],
    running: int,
) -> NDArray[np.float64]:
    """Return a network's log odds after each of `steps`, float64 [len(steps), n], from one pass.

    Step 0 is the ended session. Step k is the session still running after its first k steps (those of its
    history do not count), NaN for shorter sessions. running: the column of the logits for running sessions.
    """
    out = np.full((len(steps), len(windows)), np.nan)
    all_lengths, all_present = windows.lengths, windows.present
    for rows, logits in forward(windows, shapes):
        lengths, present = all_lengths[rows], all_present[rows]
        for index, step in enumerate(steps):
            if step == 0:
                out[index, rows] = logits[np.arange(len(rows)), lengths - 1, ENDED]
            elif step <= logits.shape[1]:
                long = present >= step
                place = windows.history[rows[long]] + step - 1
                out[index, rows[long]] = logits[long, place, running]
            require_finite(out[index, rows[present >= step]])
    return out
