"""Reads the scores of a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import rankdata

from rabbithole.errors import UserError
from rabbithole.io.tables import read_table
from rabbithole.sessions.visitors import VISITOR

CLIP = 1e-12
"""Distance that scores keep from 0 and 1: a wrong score of 0 or 1 would make the log loss infinite."""

COLUMNS = ("session_id", "split", "steps", "buyer", "score")

FURTHER = (VISITOR, "fold")
"""Columns that scores may have besides: where visitors have several sessions, and with folds."""


@dataclass(frozen=True)
class Scores:
    """Scores of one split, in the file's order.

    session_id: str [n]; steps: int32 [n], events seen of a running session, 0 for an ended one; buyer: int8
    [n], 0 or 1; score: float64 [n], the probability of a purchase; visitor: uint64 [n], a number per visitor,
    None where no visitor has two sessions; fold: int8 [n], whose model made the score, None without folds.
    """

    session_id: NDArray[Any]
    steps: NDArray[np.int32]
    buyer: NDArray[np.int8]
    score: NDArray[np.float64]
    visitor: NDArray[np.uint64] | None = None
    fold: NDArray[np.int8] | None = None

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the scores, by index or mask."""
        return type(self)(
            self.session_id[rows],
            self.steps[rows],
            self.buyer[rows],
            self.score[rows],
            None if self.visitor is None else self.visitor[rows],
            None if self.fold is None else self.fold[rows],
        )

    @property
    def ranks(self) -> NDArray[np.float64]:
        """Return what sessions are ranked by, float64 [n]: the scores, or with folds their percentiles.

        A fold with many buyers leaves few to train and valid, so its model's scores are low. Compared across
        folds, scores rank worse than they do within each (Forman & Scholz 2010, Apples-to-apples in
        cross-validation studies). So each score is placed among those of its own fold.
        """
        if self.fold is None:
            return self.score
        placed = np.empty(len(self.score))
        for fold in np.unique(self.fold):
            rows = self.fold == fold
            placed[rows] = (rankdata(self.score[rows]) - 0.5) / np.sum(rows)
        return placed

    def after(self, steps: int) -> Self:
        """Return the scores of running sessions after this number of steps; 0: of ended sessions."""
        return self.take(self.steps == steps)


def read_scores(path: Path, split: str) -> Scores:
    """Read the scores of one split ("valid" or "test") from a scores.parquet.

    Raises `UserError` when the file is damaged, a column is missing or a score is not a probability.
    """
    table = read_table(path, list(COLUMNS), pc.field("split") == split, optional=FURTHER)
    further = {name: table[name].to_numpy() for name in FURTHER if name in table.column_names}
    score = table["score"].to_numpy().astype(np.float64)
    valid = (score >= 0.0) & (score <= 1.0)
    if not valid.all():
        row = int(np.argmin(valid))
        raise UserError(
            f"{path}: the score of session {table['session_id'][row]} is {score[row]}, not a probability. "
            "The model's training diverged: lower its learning_rate."
        )
    return Scores(
        table["session_id"].to_numpy(zero_copy_only=False),
        table["steps"].to_numpy().astype(np.int32),
        table["buyer"].to_numpy().astype(np.int8),
        score,
        **further,
    )


def log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the finite log odds of scores, which keep a distance of CLIP from 0 and 1."""
    return np.asarray(logit(np.clip(scores, CLIP, 1.0 - CLIP)))
