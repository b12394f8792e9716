"""The oracle: the best possible purchase predictions, from parameters that no model sees."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.simulator.catalogue import Catalogue, read_shop
from rabbithole.simulator.observation import observe_sessions, session_tables
from rabbithole.simulator.posterior import purchase_posteriors
from rabbithole.simulator.shop import Shop
from rabbithole.specs.data import OracleSpec


def score_oracle(spec: OracleSpec, *, sessions: Path, parameters: Path, output: Path) -> None:
    """Score the test sessions of a simulated log with the forward algorithm; write scores.parquet.

    parameters: the simulator's parameters.json, with items.parquet beside it. Scores of steps 0 are
    P(buyer | the last `window` events before the cut, and that the session ended there). Scores of steps k
    are P(will buy | the first k events, still running). The oracle knows each item's class and whether it is
    rare, even where a window cannot show it. So its scores are an upper bound for any model of windows.

    Raises `UserError` when the sessions are not the simulated ones: there is no oracle for others.
    """
    SessionsManifest.of(sessions)
    shop, catalogue = read_shop(parameters)
    tables = [
        score_table(spec, shop, catalogue, table)
        for table in session_tables(sessions, "test", keep_open=spec.keep_open)
    ]
    if not tables:
        raise UserError(f"{sessions} holds no test session that the oracle can score.")
    scores = pa.concat_tables(tables).sort_by(
        [(name, "ascending") for name in ("split", "steps", "session_id")]
    )
    with atomic_write(output) as temporary:
        pq.write_table(scores, temporary)


def score_table(spec: OracleSpec, shop: Shop, catalogue: Catalogue, table: pa.Table) -> pa.Table:
    """Return the scores of a table of sessions: session_id, split, steps, buyer, score."""
    sessions = observe_sessions(shop, catalogue, table)
    posteriors = purchase_posteriors(shop, catalogue, sessions, spec.window, spec.steps)
    scores = [(0, np.arange(len(table)), posteriors.ended)]
    scores += [(steps, *posteriors.running[steps]) for steps in sorted(posteriors.running)]
    return pa.concat_tables(
        pa.table(
            {
                "session_id": table["session_id"].take(pa.array(index)),
                "split": pa.array(["test"] * len(index), pa.string()),
                "steps": np.full(len(index), steps, np.int32),
                "buyer": table["buyer"].cast(pa.int8()).take(pa.array(index)),
                "score": score,
            }
        )
        for steps, index, score in scores
    )
