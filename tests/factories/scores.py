"""Invented scores, as the score step writes them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from rabbithole.io.digests import write_digest

SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("split", pa.string()),
        ("steps", pa.int32()),
        ("buyer", pa.int8()),
        ("score", pa.float64()),
    ]
)


def write_scores_table(table: pa.Table, path: Path) -> None:
    """Write a table of scores with its digest."""
    pq.write_table(table, path)
    write_digest(path)


def write_scores(
    path: Path,
    *,
    seed: int = 0,
    sessions: int = 2003,
    noise: float = 1.0,
    buyers: bool = True,
    shuffle: bool = False,
) -> pd.DataFrame:
    """Write scores and return them: the true log odds of a purchase with normal noise.

    Test has ended sessions, all of them running after one event, and forty non-buyers running after five;
    valid has ended sessions. The labels depend on `sessions` alone. buyers: whether there are any.
    """
    truth = np.random.default_rng(11).normal(-2.5, 1.2, sessions)
    labels = (np.random.default_rng(12).random(sessions) < expit(truth)) & buyers
    rng = np.random.default_rng(seed)
    every, few = np.arange(sessions), np.arange(0, sessions, 5)[:40]
    parts = []
    for split, steps, rows in (("test", 0, every), ("test", 1, every), ("test", 5, few), ("valid", 0, every)):
        parts.append(
            pa.table(
                {
                    "session_id": [f"s{row:05d}" for row in rows],
                    "split": [split] * len(rows),
                    "steps": [steps] * len(rows),
                    "buyer": (labels[rows] & (steps != 5)).astype(np.int8),
                    "score": expit(truth[rows] + noise * rng.normal(size=len(rows))),
                }
            ).cast(SCHEMA)
        )
    table = pa.concat_tables(parts)
    if shuffle:
        table = table.take(np.random.default_rng(3).permutation(len(table)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores_table(table, path)
    return table.to_pandas()
