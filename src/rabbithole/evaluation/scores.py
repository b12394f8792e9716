"""How many digits the results keep."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError

DIGITS = 9  # Keeps the files small; far below any interval.


def rounded(value: Any) -> Any:
    """Round every number within nested lists and dicts to nine significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value


COLUMNS = ("session_id", "split", "steps", "buyer", "score")


@dataclass(frozen=True)
class Scores:
    """Scores of one split, in the file's order.

    session_id str [n], steps int32 [n] (0 = the ended session), buyer int8 [n], score float64 [n].
    """

    session_id: NDArray[Any]
    steps: NDArray[np.int32]
    buyer: NDArray[np.int8]
    score: NDArray[np.float64]

    def after(self, steps: int) -> "Scores":
        """Return the scores made after so many steps; 0 for those of ended sessions."""
        kept = self.steps == steps
        return Scores(self.session_id[kept], self.steps[kept], self.buyer[kept], self.score[kept])


def read_scores(path: Path, split: str) -> Scores:
    """Read the scores of one split ("valid" or "test") of a scores.parquet.

    Raises `UserError` when a column is missing or a score is no probability.
    """
    missing = set(COLUMNS) - set(pq.read_schema(path).names)
    if missing:
        raise UserError(
            f"{path} has no column {sorted(missing)[0]!r}: it was not written by this version. Delete it."
        )
    table = pq.read_table(path, columns=list(COLUMNS), filters=[("split", "=", split)])
    score = table["score"].to_numpy().astype(np.float64)
    if not ((score >= 0.0) & (score <= 1.0)).all():
        wrong = int(np.flatnonzero(~((score >= 0.0) & (score <= 1.0)))[0])
        raise UserError(
            f"{path}: the score of session {table['session_id'][wrong]} is {score[wrong]}, no probability. "
            "The model's training has gone astray: lower its learning_rate."
        )
    return Scores(
        table["session_id"].to_numpy(zero_copy_only=False),
        table["steps"].to_numpy().astype(np.int32),
        table["buyer"].to_numpy().astype(np.int8),
        score,
    )
