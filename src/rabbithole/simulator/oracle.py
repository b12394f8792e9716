"""The oracle: the best that could be said of each simulated session, from parameters no model sees."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.io.atomic import atomic_write, read_json
from rabbithole.io.manifests import read_manifest
from rabbithole.io.parts import data_files
from rabbithole.simulator.catalogue import Catalogue, read_catalogue
from rabbithole.simulator.posterior import ObservedEvents, best_scores
from rabbithole.simulator.shop import Shop, from_json, milliseconds

ROWS = 50_000
"""Sessions scored at a time: what bounds memory."""

COLUMNS = ["session_id", "split", "buyer", "open", "timestamp", "event", "item", "category"]


def score_oracle(
    *, sessions: Path, parameters: Path, output: Path, window: int, steps: list[int], keep_open: bool
) -> None:
    """Score the test sessions of a simulated log by the forward algorithm; writes scores.parquet.

    sessions: the folder of sessions. parameters: the simulator's parameters.json, with items.parquet beside
    it. steps 0 is P(buyer | the last `window` events before the cut, and that the session ended there);
    steps k is P(will buy | the first k events, still running). Events are read uncoded (an item's class,
    rare or not, is known even where a window can't show it), so this bounds from above what any model of
    windows can reach. keep_open=False leaves out sessions still open at the end of the log.

    Raises `UserError` where the sessions are not the simulated ones: there is no oracle for another
    sessionisation.
    """
    read_manifest(sessions)
    told = read_json(parameters)
    shop, catalogue = from_json(told["shop"]), read_catalogue(parameters.with_name(told["items"]))
    items = pa.array(catalogue.item).cast(pa.string())
    parts = [
        scores_of(shop, catalogue, items, table, window, steps)
        for table in sessions_of(sessions, "test", keep_open=keep_open)
    ]
    if not parts:
        raise UserError(f"{sessions} holds no test session that the oracle could score.")
    scores = pa.concat_tables(parts).sort_by(
        [(name, "ascending") for name in ("split", "steps", "session_id")]
    )
    with atomic_write(output) as temporary:
        pq.write_table(scores, temporary)


def sessions_of(
    sessions: Path, split: str, *, keep_open: bool, more: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Yield the sessions of a split in tables of bounded size, none empty; `more`: columns besides."""
    for path in data_files(sessions):
        for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=[*COLUMNS, *more]):
            table = pa.table(batch)
            wanted = pc.equal(table["split"], split)
            if not keep_open:
                wanted = pc.and_(wanted, pc.invert(table["open"]))
            table = table.filter(wanted)
            if len(table):
                yield table.combine_chunks()


def scores_of(
    shop: Shop, catalogue: Catalogue, items: pa.Array, table: pa.Table, window: int, steps: list[int]
) -> pa.Table:
    """Return the scores of one table of sessions: session_id, split, steps, buyer, score."""
    seen, offsets, time = read_sessions(shop, items, table)
    best = best_scores(shop, catalogue, seen, offsets, time[offsets[:-1]], window, steps)
    asked = [(0, np.arange(len(table)), best.ended)]
    asked += [(k, *best.running[k]) for k in sorted(best.running)]
    return pa.concat_tables(
        pa.table(
            {
                "session_id": table["session_id"].take(pa.array(which)),
                "split": pa.array(["test"] * len(which), pa.string()),
                "steps": np.full(len(which), k, np.int32),
                "buyer": table["buyer"].cast(pa.int8()).take(pa.array(which)),
                "score": score,
            }
        )
        for k, which, score in asked
    )


def read_sessions(
    shop: Shop, items: pa.Array, table: pa.Table
) -> tuple[ObservedEvents, NDArray[np.int64], NDArray[np.int64]]:
    """Bring sessions back: their events, where each one's begin, int64 [n + 1], and all times (ms)."""
    if not pc.all(pc.match_substring_regex(table["session_id"], "^[0-9]+$")).as_py():
        raise UserError(
            "no oracle: the sessions are not those that were simulated. Build them by the log's own session, "
            "or by visitor without a gap, or leave the oracle out."
        )
    offsets = np.zeros(len(table) + 1, np.int64)
    np.cumsum(pc.list_value_length(table["item"]).to_numpy(), out=offsets[1:])
    time = flat(table["timestamp"]).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 1000
    return read_events(shop, items, table, offsets[:-1], time), offsets, time


def read_events(
    shop: Shop, items: pa.Array, table: pa.Table, first: NDArray[np.int64], time: NDArray[np.int64]
) -> ObservedEvents:
    """Bring events back from the log's words to the simulator's numbers."""
    item = pc.index_in(flat(table["item"]), value_set=items)
    kind = pc.index_in(flat(table["event"]), value_set=pa.array(shop.kinds))
    if item.null_count or kind.null_count:
        raise UserError("no oracle: the sessions hold an item or an event that these parameters never give.")
    number = item.to_numpy(zero_copy_only=False).astype(np.int64)
    before, dwell = np.roll(number, 1), np.diff(time, prepend=time[:1])
    before[first] = -1
    context = np.full(len(time), -1)
    if shop.contexts:
        shown = time >= milliseconds(shop.context_from)
        context[shown] = contexts_of(shop, flat(table["category"]))[shown]
    return ObservedEvents(kind.to_numpy(zero_copy_only=False), context, number, before, np.maximum(dwell, 1))


def contexts_of(shop: Shop, category: pa.Array) -> NDArray[np.int64]:
    """Return which context each category stands for: missing, special offer, a number, or a brand."""
    words = category.fill_null("0").dictionary_encode()
    number, brand = shop.contexts.index("number"), shop.contexts.index("brand")
    codes = [
        shop.contexts.index(word) if word in shop.contexts else number if len(word) <= 2 else brand
        for word in words.dictionary.to_pylist()
    ]
    return np.array(codes)[words.indices.to_numpy()]


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return the values of a column of lists end to end."""
    values = pc.list_flatten(column)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
