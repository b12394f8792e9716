"""Scores sessions with a packaged model: the same numbers as in test, for ended and for running sessions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.evaluation.score_sessions import Logits, load_model
from rabbithole.serving.folder import TEST_SCORES, ModelFolder
from rabbithole.windows.arrays import Windows, take


@dataclass(frozen=True)
class Scorer:
    """A model in memory. test: sorted scores of its test sessions by events seen, 0 for ended sessions."""

    logits: Logits
    window: int
    test: dict[int, NDArray[np.float64]]

    @classmethod
    def load(cls, folder: ModelFolder) -> "Scorer":
        """Load the network or the trees of a model folder, and its test scores."""
        return cls(load_model(folder.checkpoint), folder.manifest.window, _test_scores(folder.path))

    def probabilities(self, windows: Windows, running: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probability of a purchase of each session, float64 [n].

        running: bool [n]. A running session is scored as running after the events in its window: will it
        still buy? An ended one is scored as in test: does it hold a purchase?
        """
        out = np.empty(len(windows))
        ended = np.flatnonzero(~running)
        if len(ended):
            out[ended] = self.logits(take(windows, ended), [0])[0]
        rows = np.flatnonzero(running)
        if len(rows):
            still = take(windows, rows)
            steps, place = np.unique(still.present, return_inverse=True)
            out[rows] = self.logits(still, steps.tolist())[place, np.arange(len(rows))]
        return np.asarray(expit(out))

    def percentiles(
        self, scores: NDArray[np.float64], events: NDArray[np.int32], running: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each score's percentile among test sessions, and its rank (1: the highest).

        The percentile is the share, in per cent, of test scores at or below the score. An ended session is
        held against ended ones. A running one is held against sessions running after as many events, or
        after the next smaller number that was evaluated.
        """
        percentile, rank = np.full(len(scores), np.nan), np.zeros(len(scores), np.int64)
        steps = np.array(sorted(step for step in self.test if step), np.int64)
        compared = np.zeros(len(scores), np.int64)
        if len(steps):
            place = np.maximum(np.searchsorted(steps, events, side="right") - 1, 0)
            compared = np.where(running, steps[place], 0)
        for step in np.unique(compared):
            rows = compared == step
            known = self.test.get(int(step), np.empty(0))
            if len(known):
                below = np.searchsorted(known, scores[rows], side="right")
                percentile[rows] = 100 * below / len(known)
                rank[rows] = 1 + len(known) - below
        return percentile, rank


def _test_scores(folder: Path) -> dict[int, NDArray[np.float64]]:
    table = pq.read_table(folder / TEST_SCORES)
    steps, scores = table["steps"].to_numpy(), table["score"].to_numpy()
    return {int(step): scores[steps == step] for step in np.unique(steps)}
