"""Averages the scores of several seeds of one model."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from rabbithole.errors import UserError
from rabbithole.evaluation.scores import log_odds
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import write_digest
from rabbithole.io.tables import read_table

ORDER = [(name, "ascending") for name in ("split", "steps", "session_id")]


def ensemble(*, scores: list[Path], output: Path) -> None:
    """Write scores.parquet of the ensemble: the mean log odds of the seeds, as a probability.

    The mean of probabilities would be too close to the share of buyers. Rows are sorted by split, steps and
    session id. Raises `UserError` unless all seeds score the same sessions.
    """
    tables = [read_table(path).sort_by(ORDER) for path in scores]
    sessions = tables[0].drop_columns(["score"])
    for path, table in zip(scores, tables, strict=True):
        if not table.drop_columns(["score"]).equals(sessions):
            raise UserError(f"{scores[0]} and {path} score different sessions: delete both and run again.")
    seeds = [log_odds(table["score"].to_numpy()) for table in tables]
    mean = pa.array(expit(np.mean(seeds, axis=0)))
    with atomic_write(output) as temporary:
        pq.write_table(sessions.append_column("score", mean), temporary)
    write_digest(output)
