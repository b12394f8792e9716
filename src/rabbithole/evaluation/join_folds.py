"""Joins the scores of all folds of a data set into one file, in which each session is tested once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.errors import UserError
from rabbithole.evaluation.ensemble import ORDER
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import read_table, write_digest
from rabbithole.sessions.splitting import hash_keys


def join_folds(*, scores: list[Path], sessions: Path, output: Path) -> None:
    """Write the scores of all folds, with the columns `fold` and `visitor`, sorted as an ensemble's.

    scores: a scores.parquet per fold, in the order of the folds; sessions: those of any fold, as all hold the
    same ones. fold: int8, whose model made the score; visitor: uint64, a hash of the visitor, or of the
    session where the log names none. Raises `UserError` if two folds test the same session.
    """
    tables = [
        table.append_column("fold", pa.repeat(pa.scalar(number, pa.int8()), len(table)))
        for number, table in enumerate(map(read_table, scores))
    ]
    joined = pa.concat_tables(tables).sort_by(ORDER)
    rows = joined.select(["split", "steps", "session_id"]).group_by(["split", "steps", "session_id"])
    repeated = len(joined) - len(rows.aggregate([]))
    if repeated:
        raise UserError(
            f"{scores[0]} and the scores of the other folds share {repeated:,} sessions, so they are of "
            "different splits: delete them and run again."
        )
    with atomic_write(output) as temporary:
        pq.write_table(joined.append_column("visitor", _visitors(joined["session_id"], sessions)), temporary)
    write_digest(output)


def _visitors(session_id: pa.ChunkedArray, sessions: Path) -> pa.Array:
    """Return the hash of each session's visitor, or of the session where the log names none."""
    columns = ["session_id", "visitor"]
    SessionsManifest.of(sessions)
    parts = SessionsManifest.parts(sessions)
    known = pa.concat_tables(pq.read_table(path, columns=columns) for path in parts).combine_chunks()
    visitor = pc.coalesce(known["visitor"], known["session_id"]).combine_chunks()
    row = pc.index_in(session_id, value_set=known["session_id"].combine_chunks())
    if row.null_count:
        raise UserError(f"{sessions} lacks sessions that were scored: delete the scores and run again.")
    return pa.array(hash_keys(visitor)[np.asarray(row)])
