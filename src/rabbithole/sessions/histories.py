"""Histories: which events of a visitor came before each of its sessions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.sessions.cutting import SessionCut

HISTORY_KEY = "history key"
"""Column of a log's own sessions: events with the same key may be in each other's history."""


@dataclass(frozen=True)
class Histories:
    """Which events stand in front of some sessions.

    order: int64 [events], the rows of the events by visitor and time; begins, ends: int64 [n], the places in
    `order` of each session's history; number: int64 [all sessions of the cut], counts the sessions of a
    visitor from 0 in the order of their first events.
    """

    order: NDArray[np.int64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    number: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return how many events each history holds, int64 [n]."""
        return self.ends - self.begins


def find_histories(events: pa.Table, cut: SessionCut, rows: NDArray[np.int64], limit: int) -> Histories:
    """Return the histories of the sessions `rows`: the visitor's last `limit` events before each one's first.

    Of sessions by visitor, each ended more than the gap before the next. A log's own sessions may overlap:
    then the history holds what had happened before this session began. It is uncut: it holds earlier
    purchases, and sessions that are themselves excluded.
    """
    key = _codes(events[HISTORY_KEY if HISTORY_KEY in events.column_names else "session_id"])
    order = np.lexsort((events["position"].to_numpy(), cut.times, key))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    new_visitor = _differs(key[order])
    new_time = new_visitor | _differs(cut.times[order])
    first_of_visitor, first_of_time = (_last_true(mask) for mask in (new_visitor, new_time))
    first_event = place[cut.offsets[:-1]]
    ends = first_of_time[first_event[rows]]
    by_begin = np.argsort(first_event)
    of_visitor = first_of_visitor[first_event[by_begin]]
    rank = np.arange(len(by_begin))
    number = np.empty(len(by_begin), np.int64)
    number[by_begin] = rank - _last_true(_differs(of_visitor))
    return Histories(order, np.maximum(first_of_visitor[first_event[rows]], ends - limit), ends, number)


def _codes(names: pa.ChunkedArray) -> NDArray[np.int64]:
    coded = names.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64)


def _differs(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which values differ from the one before, bool [n]; the first one does."""
    differs = np.ones(len(values), bool)
    differs[1:] = np.diff(values) != 0
    return differs


def _last_true(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the last true place at or before each place, int64 [n]; the first one is true."""
    return np.maximum.accumulate(np.where(mask, np.arange(len(mask)), 0))


def with_history_key(events: pa.Table) -> pa.Table:
    """Add the column `HISTORY_KEY`: the visitor whom a session's first event names, else the session.

    events: sorted, all of each session. A visitor that only later events name is not known when the session
    begins. With that visitor's history, a model would see early who signs in later.
    """
    key = events["session_id"].combine_chunks()
    new_session = np.ones(len(key), bool)
    new_session[1:] = pc.not_equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    begins = np.flatnonzero(new_session)
    first = events.select(["session_id", "visitor"]).take(pa.array(begins)).combine_chunks()
    prefixed = [
        pc.binary_join_element_wise(prefix, first[name].cast(pa.string()), "")
        for prefix, name in (("visitor ", "visitor"), ("session ", "session_id"))
    ]
    lengths = np.diff(np.append(begins, len(events)))
    keys = pc.coalesce(*prefixed).take(pa.array(np.repeat(np.arange(len(begins)), lengths)))
    return events.append_column(HISTORY_KEY, keys)
