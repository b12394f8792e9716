"""Joins the scores of all folds of a data set into one file, in which each session is tested once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.errors import UserError
from rabbithole.evaluation.ensemble import ORDER
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import write_digest
from rabbithole.io.tables import read_table
from rabbithole.sessions.visitors import VISITOR, read_visitors


def join_folds(*, scores: list[Path], sessions: Path, output: Path) -> None:
    """Write the scores of all folds, with the columns `fold` and `visitor`, sorted as an ensemble's.

    scores: a scores.parquet per fold, in the order of the folds; sessions: those of any fold, as all hold the
    same ones. fold: int8, whose model made the score; visitor: uint64, a hash of the visitor, or of the
    session where the log names none. Raises `UserError` if two folds test the same session.
    """
    tables = [
        table.append_column("fold", pa.repeat(pa.scalar(number, pa.int8()), len(table)))
        for number, table in enumerate(_without_visitors(path) for path in scores)
    ]
    joined = pa.concat_tables(tables).sort_by(ORDER)
    rows = joined.select(["split", "steps", "session_id"]).group_by(["split", "steps", "session_id"])
    repeated = len(joined) - len(rows.aggregate([]))
    if repeated:
        raise UserError(
            f"{scores[0]} and the scores of the other folds share {repeated:,} sessions, so they are of "
            "different splits: delete them and run again."
        )
    visitor = pa.array(read_visitors(sessions).of(joined["session_id"]))
    with atomic_write(output) as temporary:
        pq.write_table(joined.append_column(VISITOR, visitor), temporary)
    write_digest(output)


def _without_visitors(scores: Path) -> pa.Table:
    """Return the scores of a fold without their visitors: the log may name none in that fold alone."""
    table = read_table(scores)
    return table.drop_columns([VISITOR]) if VISITOR in table.column_names else table
