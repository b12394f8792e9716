"""Several seeds of one model, asked together."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit, logit

from rabbithole.errors import UserError
from rabbithole.evaluation.calibration import CLIP
from rabbithole.io.atomic import atomic_write

ORDER = [(name, "ascending") for name in ("split", "steps", "session_id")]


def ensemble(*, scores: list[Path], output: Path) -> None:
    """Write scores.parquet of the ensemble: for each session the mean of the seeds' log odds.

    Log odds rather than probabilities, as their mean is less timid than each of them. Sorted by split, steps
    and session id. Raises `UserError` unless all score the same sessions.
    """
    tables = [pq.read_table(path).sort_by(ORDER) for path in scores]
    first = tables[0].drop_columns(["score"])
    for path, table in zip(scores, tables, strict=True):
        if not table.drop_columns(["score"]).equals(first):
            raise UserError(f"{scores[0]} and {path} score different sessions: delete both and run again.")
    odds = [logit(np.clip(table["score"].to_numpy(), CLIP, 1.0 - CLIP)) for table in tables]
    mean = pa.array(expit(np.mean(odds, axis=0)))
    with atomic_write(output) as temporary:
        pq.write_table(first.append_column("score", mean), temporary)
