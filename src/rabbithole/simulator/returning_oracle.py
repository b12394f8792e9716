"""The oracle of returning visitors: the best purchase predictions of their sessions."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rabbithole.errors import UserError
from rabbithole.simulator.oracle import Scores, write_scores
from rabbithole.simulator.returning import read_visits
from rabbithole.simulator.returning_posteriors import session_posteriors, visit_posteriors
from rabbithole.specs.data import OracleSpec


def score_returning(spec: OracleSpec, *, sessions: Path, parameters: Path, output: Path) -> None:
    """Score the test sessions of a log of returning visitors; write scores.parquet.

    parameters: the simulator's parameters.json, with the visits beside it. The scores are those of
    `score_oracle`. With `earlier_sessions` they also know all sessions of the visitor before, so they are an
    upper bound for models of windows with history; else they know the session alone.

    Raises `UserError` when the sessions are not the simulated ones: there is no oracle for others.
    """
    values, visits, start = read_visits(parameters)
    if spec.earlier_sessions:
        posteriors = visit_posteriors(values.shop, visits, spec.steps)
    else:
        posteriors = session_posteriors(values.shop, visits, np.array(values.prior), spec.steps)
    keys = _keys(pa.array(visits.visitor), pa.array(start))

    def score(table: pa.Table) -> Scores:
        milliseconds = table["start"].cast(pa.timestamp("ms")).cast(pa.int64())
        place = pc.index_in(_keys(table["visitor"], milliseconds), keys)
        if place.null_count:
            raise UserError(
                "There is no oracle for these sessions: they are not the simulated ones. Build them by "
                "visitor with the gap of the simulated shop, 30 minutes, or turn the oracle off."
            )
        rows = place.to_numpy()
        scores = [(0, np.arange(len(rows)), posteriors.ended[rows])]
        for steps, running in zip(spec.steps, posteriors.running[:, rows], strict=True):
            long = np.flatnonzero(np.isfinite(running))
            scores.append((steps, long, running[long]))
        return scores

    write_scores(score, sessions, keep_open=spec.keep_open, output=output, columns=("visitor", "start"))


def _keys(visitor: pa.Array, start: pa.Array) -> pa.Array:
    """Return texts that name a session by its visitor and its start."""
    return pc.binary_join_element_wise(visitor.cast(pa.string()), start.cast(pa.string()), "@")
