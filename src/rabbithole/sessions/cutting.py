"""Sorted events become sessions: their bounds, their label, and what is left before the first purchase.

All on whole columns: a table of events in, arrays of one entry a session or an event out.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.sources.parts import by_value

TRANSACTION = "transaction"
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Cut:
    """Sessions of a table of events, the ones without an event left included.

    `starts`: int64 [sessions + 1], where each session's events begin in the table; `times`: int64
    [events], microseconds since 1970; `keep`: bool [events], before the session's first transaction;
    `kept`: int64 [sessions], how many are; `buyer`: bool [sessions]; `number`: int64 [sessions], counts
    the sessions of one key from 0.
    """

    starts: NDArray[np.int64]
    times: NDArray[np.int64]
    keep: NDArray[np.bool_]
    kept: NDArray[np.int64]
    buyer: NDArray[np.bool_]
    number: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        """Return the time of each session's first event of any kind."""
        return self.times[self.starts[:-1]]


def is_transaction(events: pa.Array) -> pa.Array:
    """Return which events (strings) are purchases."""
    return pc.equal(events, TRANSACTION)


def cut_sessions(events: pa.Table, gap_minutes: float | None) -> Cut:
    """Find the sessions in events that are sorted by session_id, time and position; keys must be whole.

    With a gap, an event later than that after the one before it begins a new session. Of a buyer, only events
    *earlier* than the first transaction are kept: what happened at its very time, a view too, may come of it.
    """
    times = events["timestamp"].cast(pa.int64()).to_numpy()
    key = events["session_id"].combine_chunks()
    new_key = np.ones(len(events), dtype=bool)
    new_key[1:] = pc.not_equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    new = new_key.copy()
    if gap_minutes is not None:
        new[1:] |= np.diff(times) > gap_minutes * 60_000_000
    begins = np.flatnonzero(new)
    starts = np.append(begins, len(events)).astype(np.int64)
    lengths = np.diff(starts)
    transaction = by_value(is_transaction, events["event"]).to_numpy(zero_copy_only=False)
    first_bought = np.minimum.reduceat(np.where(transaction, times, NEVER), begins)
    keep = times < np.repeat(first_bought, lengths)
    kept = np.add.reduceat(keep.astype(np.int64), begins)
    # Sessions so far, less those before the key's first.
    first_of_key = np.flatnonzero(new_key[begins])
    per_key = np.diff(np.append(first_of_key, len(begins)))
    number = np.arange(len(begins)) - np.repeat(first_of_key, per_key)
    return Cut(starts, times, keep, kept, first_bought != NEVER, number)
