"""Copies of the test scores of earlier runs, so that two runs can be compared in pairs.

The copies are named by a digest of their content, so scores that stay the same are kept once. The ended test
sessions, their labels and, where scores name them, their visitors are kept apart from the scores, as all
models of a data set share them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.runs import RunFigures
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write

VISITOR = "visitor"
"""Column of scores where visitors have several sessions, and with folds."""

FOLDER = "runs"
"""Folder of the copies, below the results folder."""


@dataclass(frozen=True)
class KeptScores:
    """Digests of the ended test sessions and of their scores, which name the copies."""

    sessions: str
    scores: str


def keep_scores(results: Path, scores: Path) -> KeptScores:
    """Keep the ended test sessions of a scores.parquet, their labels and their scores, if they are new.

    With folds, the place of each score in its fold is kept instead.
    """
    # Loads SciPy, which only finished trainings need.
    from rabbithole.evaluation.scores import read_scores

    ended = read_scores(scores, "test").after(0)
    visitor = [] if ended.visitor is None else [VISITOR]
    rows = {"session_id": ended.session_id, "buyer": ended.buyer, "score": ended.ranks}
    table = pa.table(rows | dict.fromkeys(visitor, ended.visitor)).sort_by("session_id")
    kept = KeptScores(_digest_of(table.drop(["score"])), _digest_of(table.select(["score"])))
    for digest, columns in ((kept.sessions, ["session_id", "buyer", *visitor]), (kept.scores, ["score"])):
        _write(results / FOLDER / f"{digest}.parquet", table.select(columns))
    return kept


def _digest_of(table: pa.Table) -> str:
    """Return the digest of a copy's columns, which names it."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        ids = name == "session_id"
        digest.update("\n".join(column.to_pylist()).encode() if ids else column.to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> pa.Table:
    """Return a copy; raise `UserError` where its content is not what it is named by."""
    try:
        table = pq.read_table(path)
        damaged = _digest_of(table) != path.stem
    # Whatever a damaged file makes of its columns.
    except (OSError, pa.ArrowException, TypeError, ValueError):
        damaged = True
    if damaged:
        raise UserError(f"{path} is damaged. Delete it: the runs are then compared without their scores.")
    return table


def _write(path: Path, table: pa.Table) -> None:
    if not path.exists():
        with atomic_write(path) as temporary:
            # Without a dictionary: session ids and scores hardly repeat.
            pq.write_table(table, temporary, compression="zstd", use_dictionary=False)


def read_labels_and_scores(
    results: Path, first: RunFigures, second: RunFigures
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint64] | None] | None:
    """Return labels [n], both runs' scores [n] and, if known, the visitors [n] of the same sessions.

    None if they are no longer kept. Raises `UserError` for a damaged copy.
    """
    digests = first.sessions, first.scores, second.scores
    paths = [results / FOLDER / f"{digest}.parquet" for digest in digests]
    if not all(path.exists() for path in paths):
        return None
    sessions, *tables = map(_read, paths)
    old, new = (table["score"].to_numpy() for table in tables)
    visitors = sessions[VISITOR].to_numpy() if VISITOR in sessions.column_names else None
    return sessions["buyer"].to_numpy(), old, new, visitors


def forget_scores(results: Path, needed: Iterable[RunFigures]) -> None:
    """Delete the copies that none of these figures needs."""
    names = {f"{digest}.parquet" for figures in needed for digest in (figures.sessions, figures.scores)}
    for path in (results / FOLDER).glob("*.parquet"):
        if path.name not in names:
            path.unlink(missing_ok=True)
