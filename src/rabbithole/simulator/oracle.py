"""The oracle: the best purchase predictions of observed sessions, from parameters that no model sees."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rabbithole.artifacts.data import SessionsManifest
from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write
from rabbithole.io.digests import write_digest
from rabbithole.progress import Meter
from rabbithole.sessions.visitors import VISITOR, returning_visitors
from rabbithole.simulator.catalogue import Catalogue, read_shop
from rabbithole.simulator.posterior import ObservedEvents, ObservedSessions, purchase_posteriors
from rabbithole.simulator.shop import Floats, Ints, Shop
from rabbithole.specs.data import OracleSpec

SESSIONS_PER_READ = 50_000
"""Sessions that are read at a time, which bounds the memory."""

Scores = Sequence[tuple[int, Ints, Floats]]
"""Steps, the rows of the sessions that are scored after as many events (0: ended), and their scores."""

COLUMNS = ("session_id", "split", "buyer", "open", "timestamp", "event", "item", "category")


def session_tables(
    sessions: Path, split: str, *, keep_open: bool, columns: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Yield the sessions of a split in tables of at most `SESSIONS_PER_READ` rows, none empty.

    keep_open: whether sessions that are open at the end of the log are included. columns: further columns.
    """
    for path in SessionsManifest.parts(sessions):
        for batch in pq.ParquetFile(path).iter_batches(SESSIONS_PER_READ, columns=[*COLUMNS, *columns]):
            table = pa.table(batch)
            mask = pc.equal(table["split"], split)
            if not keep_open:
                mask = pc.and_(mask, pc.invert(table["open"]))
            table = table.filter(mask)
            if len(table):
                yield table.combine_chunks()


def observe_sessions(shop: Shop, catalogue: Catalogue, table: pa.Table) -> ObservedSessions:
    """Return the sessions of a table in the simulator's codes.

    Raises `UserError` when they are not sessions of the simulated log.
    """
    if not pc.all(pc.match_substring_regex(table["session_id"], "^[0-9]+$")).as_py():
        raise UserError(
            "There is no oracle for these sessions: they are not the simulated ones. Build them by the log's "
            "own session, or by visitor without a gap, or turn the oracle off."
        )
    offsets = np.zeros(len(table) + 1, np.int64)
    np.cumsum(pc.list_value_length(table["item"]).to_numpy(), out=offsets[1:])
    time = flatten(table["timestamp"]).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 1000
    item = encode(flatten(table["item"]), pa.array(catalogue.item).cast(pa.string()), "item")
    previous, dwell = np.roll(item, 1), np.diff(time, prepend=time[:1])
    previous[offsets[:-1]] = -1
    context = np.full(len(time), -1)
    if shop.contexts:
        shown = time >= shop.context_from_ms
        context[shown] = observe_contexts(shop, flatten(table["category"]))[shown]
    event_type = encode(flatten(table["event"]), pa.array(shop.event_types), "event")
    events = ObservedEvents(event_type, context, item, previous, np.maximum(dwell, 1))
    return ObservedSessions(events, offsets, time)


def observe_contexts(shop: Shop, category: pa.Array) -> Ints:
    """Return the context of each category; null is the missing category, the first context's only one."""
    names = shop.category_names
    code = encode(category.fill_null(names[0]), pa.array(names), "category")
    return np.repeat(np.arange(len(shop.contexts)), [len(group) for group in shop.categories])[code]


def encode(values: pa.Array, names: pa.Array, field: str) -> Ints:
    """Return the position of each value in `names`; raise `UserError` for an unknown value."""
    code = pc.index_in(values, value_set=names)
    if code.null_count:
        raise UserError(
            f"There is no oracle for these sessions: their {field} column has a value that the simulator's "
            "parameters cannot produce."
        )
    return np.asarray(code.to_numpy(zero_copy_only=False), np.int64)


def flatten(column: pa.ChunkedArray) -> pa.Array:
    """Return the values of a column of lists end to end."""
    values = pc.list_flatten(column)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def score_oracle(spec: OracleSpec, *, sessions: Path, parameters: Path, output: Path) -> None:
    """Score the test sessions of a simulated log with the forward algorithm; write scores.parquet.

    parameters: the simulator's parameters.json, with items.parquet beside it. Scores of steps 0 are
    P(buyer | the last `window` events before the cut, and that the session ended there). Scores of steps k
    are P(will buy | the first k events, still running). The oracle knows each item's class and whether it is
    rare, even where a window cannot show it. So its scores are an upper bound for any model of windows.

    Raises `UserError` when the sessions are not the simulated ones: there is no oracle for others.
    """
    shop, catalogue = read_shop(parameters)

    def score(table: pa.Table) -> Scores:
        observed = observe_sessions(shop, catalogue, table)
        posteriors = purchase_posteriors(shop, catalogue, observed, spec.window, spec.steps)
        running = sorted(posteriors.running.items())
        ended = (0, np.arange(len(table)), posteriors.ended)
        return [ended, *((steps, index, score) for steps, (index, score) in running)]

    write_scores(score, sessions, keep_open=spec.keep_open, output=output)


def write_scores(
    score: Callable[[pa.Table], Scores],
    sessions: Path,
    *,
    keep_open: bool,
    output: Path,
    columns: Sequence[str] = (),
) -> None:
    """Score the test sessions table by table; write the columns that models' scores have.

    columns: further columns that `score` reads. Raises `UserError` when there is no test session.
    """
    meter = Meter(SessionsManifest.of(sessions).splits["test"].sessions, "sessions", whole=True)
    visitors = returning_visitors(sessions)
    tables, done = [], 0
    for table in session_tables(sessions, "test", keep_open=keep_open, columns=columns):
        rows = [_score_rows(table, *scores) for scores in score(table)]
        if visitors is not None:
            rows = [each.append_column(VISITOR, pa.array(visitors.of(each["session_id"]))) for each in rows]
        tables += rows
        done += len(table)
        meter.update(done)
    if not tables:
        raise UserError(f"{sessions} holds no test session that the oracle can score.")
    scores = pa.concat_tables(tables).sort_by(
        [(name, "ascending") for name in ("split", "steps", "session_id")]
    )
    with atomic_write(output) as temporary:
        pq.write_table(scores, temporary)
    write_digest(output)


def _score_rows(table: pa.Table, steps: int, index: Ints, score: Floats) -> pa.Table:
    return pa.table(
        {
            "session_id": table["session_id"].take(pa.array(index)),
            "split": pa.array(["test"] * len(index), pa.string()),
            "steps": np.full(len(index), steps, np.int32),
            "buyer": table["buyer"].cast(pa.int8()).take(pa.array(index)),
            "score": score,
        }
    )
