"""The training of a network: epochs, judgement on valid, early stopping, the best weights kept."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from rabbithole.models.embedding import ITEM
from rabbithole.models.heads import ENDED, RUNNING
from rabbithole.training.augment import augment
from rabbithole.training.balance import balanced_rows, class_weights, natural_log_odds, prior_shift
from rabbithole.training.batches import Shape, distinct, gather, plan, random, shapes
from rabbithole.training.judge import judge
from rabbithole.training.network import Learned, begin, make_forward, make_step, optimisers
from rabbithole.training.sharing import Sharing
from rabbithole.windows.arrays import Windows

KEYS = "rbg"
"""Random bits come from the processor's own generator: threefry takes as long to compute (for dropout) and to
compile (for the first weights) as the network."""

Report = Callable[[dict[str, Any], float], None]

Keep = Callable[["TrainingState"], None]
"""What is told of the state after each batch and each epoch, and may save it."""


@dataclass
class TrainingState:
    """All that training needs to go on from where it stands.

    learned: weights, optimiser and count of steps (dropout's keys follow from it); best: the weights and
    table of the best epoch; epoch: those done; place: batches done in the one under way; rows: one dict an
    epoch; seconds: how long each epoch took, of one that was broken off since it went on.
    """

    learned: Learned
    best: tuple[Any, Array]
    best_epoch: int = 0
    epoch: int = 0
    place: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Trainer:
    """A network, the sessions that it learns from, and the way that it does.

    The seed and the place (epoch, batch) fix all that is drawn: which sessions are taken, which share a
    batch, what is augmented, which units drop.
    """

    def __init__(
        self,
        model: Any,
        *,
        train: Windows,
        valid: Windows,
        length: int,
        settings: dict[str, Any],
        training: dict[str, Any],
        balance: str,
        augmentation: dict[str, Any],
        seed: int,
    ) -> None:
        self.train, self.valid = train, valid
        self.training, self.balance, self.augmentation = training, balance, augmentation
        self.seed = seed
        self.shapes = shapes(length=length, batch_size=training["batch_size"])
        self.shift = prior_shift(train.buyer, balance)
        self.weights = class_weights(train.buyer, balance)
        self.sharing = Sharing()
        self.key = self.sharing.whole(jax.random.key(seed, impl=KEYS))
        model.head.set_prior(natural_log_odds(train.buyer) - self.shift)
        chain = optimisers(settings, training["epochs"] * len(self.batches(0)))
        self.network, learned = begin(model, *chain)
        learned = self.sharing.whole(learned)
        self.step = make_step(
            self.network,
            *chain,
            batch_size=training["batch_size"],
            prefixes=augmentation["prefixes"],
        )
        self.forward = make_forward(self.network)
        self.state = TrainingState(learned, best=(learned.weights, learned.table))
        self.keep()

    def batches(self, epoch: int) -> list[tuple[Shape, NDArray[np.int64]]]:
        """Return the batches of an epoch."""
        rows = balanced_rows(self.train.buyer, self.balance, seed=self.seed, epoch=epoch)
        return plan(self.train.lengths, rows, self.shapes, random(self.seed, epoch))

    def go_on(self, state: TrainingState) -> None:
        """Take up the state of an earlier run of the same training."""
        self.state = dataclasses.replace(
            state, learned=self.sharing.whole(state.learned), best=self.sharing.whole(state.best)
        )

    def run(self, report: Report, keep: Keep) -> None:
        """Train until `epochs` are done or `patience` of them brought no better valid AUC.

        `report` is told of each epoch: its row and the sessions a second.
        """
        state, patience = self.state, self.training["patience"]
        while state.epoch < self.training["epochs"] and state.epoch - state.best_epoch < patience:
            began = time.perf_counter()
            sessions = self.one_epoch(keep)
            trained = time.perf_counter() - began
            loss = float(state.learned.sums[0] / state.learned.sums[1])
            valid = judge(self.valid.buyer, self.logits(self.valid, [0])[0])
            row = {"epoch": state.epoch + 1, "loss": loss, **valid}
            self.end_epoch(row, time.perf_counter() - began)
            report(row, sessions / trained)
            keep(state)

    def one_epoch(self, keep: Keep) -> int:
        """Go once through train, from where the state stands; return the number of sessions."""
        state, sessions = self.state, 0
        batches = self.batches(state.epoch)
        for place in range(state.place, len(batches)):
            shape, rows = batches[place]
            batch = augment(
                gather(self.train, rows, shape),
                random(self.seed, state.epoch, place),
                unseen_share=self.training["unseen_share"],
                event_dropout=self.augmentation["event_dropout"],
            )
            there = batch.rows >= 0
            items, batch.codes[..., ITEM] = distinct(batch.codes[..., ITEM], len(state.learned.table))
            dealt = self.sharing.deal(
                batch.codes,
                batch.numbers,
                batch.lengths,
                (self.train.buyer[batch.rows] * there).astype(np.float32),
                self.weights[batch.rows] * there.astype(np.float32),
            )
            state.learned = self.sharing.whole(self.step(state.learned, self.key, *dealt, items))
            state.place, sessions = place + 1, sessions + len(rows)
            keep(state)
        jax.block_until_ready(state.learned)
        return sessions

    def end_epoch(self, row: dict[str, Any], seconds: float) -> None:
        """Note an epoch's figures, keep its weights if they are the best, make ready for the next."""
        state = self.state
        best = max((earlier["valid_auc"] for earlier in state.rows), default=-1.0)
        state.rows.append(row)
        state.seconds.append(seconds)
        state.epoch, state.place = state.epoch + 1, 0
        if row["valid_auc"] > best:
            state.best_epoch = state.epoch
            self.keep()
        state.learned = dataclasses.replace(state.learned, sums=jnp.zeros(2, jnp.float32))

    def keep(self) -> None:
        """Copy the weights aside: the step takes over the memory of its own."""
        learned = self.state.learned
        self.state.best = _copy_of((learned.weights, learned.table))

    def logits(self, windows: Windows, steps: list[int]) -> NDArray[np.float64]:
        """Return natural log odds under the present weights; see `network_logits`."""
        learned = self.state.learned
        return self.shift + network_logits(
            lambda *batch: self.sharing.whole(
                self.forward(learned.weights, learned.table, *self.sharing.deal(*batch))
            ),
            windows,
            steps,
            shapes=self.shapes,
            running=RUNNING if self.augmentation["prefixes"] else ENDED,
        )


@jax.jit
def _copy_of(tree: Any) -> Any:
    """Return the same arrays in memory of their own."""
    return jax.tree.map(jnp.copy, tree)


def network_logits(
    forward: Callable[[NDArray[np.int32], NDArray[np.float32]], Array],
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
    for shape, rows in plan(windows.lengths, np.arange(len(windows)), shapes):
        batch = gather(windows, rows, shape)
        logits = np.asarray(forward(batch.codes, batch.numbers))[: len(rows)]
        lengths = batch.lengths[: len(rows)]
        for index, step in enumerate(steps):
            if step == 0:
                out[index, rows] = logits[np.arange(len(rows)), lengths - 1, ENDED]
            elif step <= shape.steps:
                long = lengths >= step
                out[index, rows[long]] = logits[long, step - 1, running]
    return out


def build(
    model_class: Any, settings: dict[str, Any], *, sizes: dict[str, int], length: int, seed: int
) -> Any:
    """Return an untrained network; how it is optimised is none of its settings."""
    # Drawn in one compiled program: compiled number by number, this takes longer than an epoch.
    return nnx.jit(_maker(model_class, settings, sizes=sizes, length=length, seed=seed))()


def outline(model_class: Any, settings: dict[str, Any], *, sizes: dict[str, int], length: int) -> Any:
    """Return a network in which shapes and types stand in the place of numbers."""
    return nnx.eval_shape(_maker(model_class, settings, sizes=sizes, length=length, seed=0))


def _maker(
    model_class: Any, settings: dict[str, Any], *, sizes: dict[str, int], length: int, seed: int
) -> Callable[[], Any]:
    """Return what makes the network."""
    shape = {key: settings[key] for key in settings if key not in ("learning_rate", "weight_decay")}
    return lambda: model_class(
        **shape, sizes=sizes, length=length, rngs=nnx.Rngs(jax.random.key(seed, impl=KEYS))
    )
