"""Whose sessions they are: the sessions of a visitor are alike, which intervals must know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.errors import UserError
from rabbithole.sessions.splitting import SPLITS, hash_keys

VISITOR = "visitor"
"""Column of scores: a number per visitor, by whom intervals are computed."""

SCORED = ("valid", "test")
"""Splits whose sessions get scores."""

SESSIONS_PER_READ = 200_000
"""Sessions that are read at a time, which bounds the memory."""


@dataclass(frozen=True)
class Visitors:
    """The visitors of sessions, as hashes: a few bytes a session, however long the ids are.

    folder: of the sessions; sessions: uint64 [n], hashes of the session ids, ascending; visitors: uint64 [n],
    a hash of the visitor, or of the session where the log names none.
    """

    folder: Path
    sessions: NDArray[np.uint64]
    visitors: NDArray[np.uint64]

    def of(self, session_id: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
        """Return the visitor of each session (string), uint64; raise `UserError` for an unknown session."""
        keys = hash_keys(session_id)
        rows = np.searchsorted(self.sessions, keys)
        known = rows < len(self.sessions)
        known[known] = self.sessions[rows[known]] == keys[known]
        if not known.all():
            raise UserError(
                f"{self.folder} lacks sessions that were scored: delete the scores and run again."
            )
        return self.visitors[rows]


def read_visitors(sessions: Path, splits: Sequence[str] = SPLITS) -> Visitors:
    """Return the visitors of the sessions in these splits. sessions: the folder."""
    SessionsManifest.of(sessions)
    columns = ["session_id", "visitor", "split"]
    names, visitors = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for path in SessionsManifest.parts(sessions):
        for batch in pq.ParquetFile(path).iter_batches(SESSIONS_PER_READ, columns=columns):
            rows = pa.table(batch).filter(pc.field("split").isin(list(splits))).combine_chunks()
            names.append(hash_keys(rows["session_id"]))
            visitors.append(hash_keys(pc.coalesce(rows["visitor"], rows["session_id"])))
    session, visitor = np.concatenate(names), np.concatenate(visitors)
    order = np.argsort(session)
    return Visitors(sessions, session[order], visitor[order])


def returning_visitors(sessions: Path) -> Visitors | None:
    """Return the visitors of valid and test, None where none of them has two sessions."""
    known = read_visitors(sessions, SCORED)
    return known if len(np.unique(known.visitors)) < len(known.visitors) else None
