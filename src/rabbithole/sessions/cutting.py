"""Cut sorted events into sessions: where each one begins, its label, and the events that models may see.

Everything works on columns: a table of events in, arrays with an entry per session or per event out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.parts import map_values
from rabbithole.sessions.splitting import hash_shares
from rabbithole.specs.data import SessionsSpec
from rabbithole.specs.table import CART, PURCHASE

NEVER = np.iinfo(np.int64).max
"""The time of a first transaction that does not exist."""

EXCLUSION_REASONS = ("without_cart", "short", "not_drawn")
"""Why a session with an event before its first transaction may be excluded, in the order of the tests."""


@dataclass(frozen=True)
class SessionCut:
    """The sessions of a table of events, even those without a kept event.

    offsets: int64 [sessions + 1], the rows at which sessions begin; times: int64 [events], microseconds since
    1970; keep: bool [events], events that models may see; kept: int64 [sessions], how many; buyer: bool
    [sessions]; number: int64 [sessions], counts the sessions of one key from 0; dropped: bool [sessions],
    no event before the first transaction; excluded: bool [sessions] by reason.
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    keep: NDArray[np.bool_]
    kept: NDArray[np.int64]
    buyer: NDArray[np.bool_]
    number: NDArray[np.int64]
    dropped: NDArray[np.bool_]
    excluded: Mapping[str, NDArray[np.bool_]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of events of each session, kept or not."""
        return np.diff(self.offsets)

    @property
    def start_times(self) -> NDArray[np.int64]:
        """Return the time of each session's first event of any kind."""
        return self.times[self.offsets[:-1]]


def cut_sessions(events: pa.Table, spec: SessionsSpec) -> SessionCut:
    """Cut events into sessions and keep the events and sessions that the spec selects.

    events: sorted by session_id, time and position, with all events of each key. Only kept events decide
    whether a session is excluded, so an exclusion reveals nothing about later events.
    """
    cut = _before_transaction(events, spec.gap_minutes)
    excluded = {reason: np.zeros(len(cut.kept), dtype=bool) for reason in EXCLUSION_REASONS}
    if spec.until == "first_cart":
        until_cart = _until_cart(cut, events["event"])
        excluded["without_cart"] = (cut.kept > 0) & (until_cart.kept == 0)
        cut = until_cart
    if spec.minimum_events > 1:
        excluded["short"] = (cut.kept > 0) & (cut.kept < spec.minimum_events)
        cut = _exclude(cut, excluded["short"])
    if spec.sample < 1:
        excluded["not_drawn"] = (cut.kept > 0) & ~_drawn(cut, events, spec)
        cut = _exclude(cut, excluded["not_drawn"])
    return replace(cut, excluded=excluded)


def is_transaction(events: pa.Array) -> pa.Array:
    """Return which events (strings) are purchases."""
    return pc.equal(events, PURCHASE)


def _before_transaction(events: pa.Table, gap_minutes: float | None) -> SessionCut:
    """Cut events into sessions and keep those before the first transaction.

    A session ends where the key changes, and before an event that comes more than the gap after the previous
    one. A buyer keeps only events *earlier* than the first transaction: an event at the very same time, even
    a view, may be a result of the purchase.
    """
    times = events["timestamp"].cast(pa.int64()).to_numpy()
    key = events["session_id"].combine_chunks()
    new_key = np.ones(len(events), dtype=bool)
    new_key[1:] = pc.not_equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False)
    new_session = new_key.copy()
    if gap_minutes is not None:
        new_session[1:] |= np.diff(times) > gap_minutes * 60_000_000
    begins = np.flatnonzero(new_session)
    offsets = np.append(begins, len(events)).astype(np.int64)
    transaction = map_values(is_transaction, events["event"]).to_numpy(zero_copy_only=False)
    purchase_time = np.minimum.reduceat(np.where(transaction, times, NEVER), begins)
    keep = times < np.repeat(purchase_time, np.diff(offsets))
    kept = np.add.reduceat(keep.astype(np.int64), begins)
    # The sessions so far, minus those before the key's first one.
    first_of_key = np.flatnonzero(new_key[begins])
    sessions_per_key = np.diff(np.append(first_of_key, len(begins)))
    number = np.arange(len(begins)) - np.repeat(first_of_key, sessions_per_key)
    return SessionCut(offsets, times, keep, kept, purchase_time != NEVER, number, kept == 0, {})


def _until_cart(cut: SessionCut, kinds: pa.ChunkedArray) -> SessionCut:
    """Keep each session's events up to its first add-to-cart. Drop sessions without one.

    Of the events at the cart's very time, only the cart itself is kept (the first in the log): the others may
    be results of it.
    """
    cart = map_values(lambda values: pc.equal(values, CART), kinds).to_numpy(zero_copy_only=False) & cut.keep
    rows = np.arange(len(cart))
    first = np.minimum.reduceat(np.where(cart, rows, len(cart)), cut.offsets[:-1])
    time = np.where(first < len(cart), cut.times[np.minimum(first, len(cart) - 1)], -NEVER)
    keep = (cut.times < np.repeat(time, cut.lengths)) | (rows == np.repeat(first, cut.lengths))
    return replace(cut, keep=keep, kept=np.add.reduceat(keep.astype(np.int64), cut.offsets[:-1]))


def session_visitors(visitors: pa.ChunkedArray, cut: SessionCut) -> pa.Array:
    """Return the visitor of each session, null if the log does not say.

    A log's own session may begin before its visitor is known, so the first known one counts.
    """
    rows = cut.offsets[:-1]
    if 0 < visitors.null_count < len(visitors):
        known = visitors.is_valid().to_numpy()
        places = np.where(known, np.arange(len(known)), len(known))
        first = np.minimum.reduceat(places, rows)
        rows = np.where(first < len(known), first, rows)
    return visitors.take(pa.array(rows)).combine_chunks()


def _drawn(cut: SessionCut, events: pa.Table, spec: SessionsSpec) -> NDArray[np.bool_]:
    """Return which sessions are in the sample: by hash of the visitor, of the session without visitors."""
    visitor = session_visitors(events["visitor"], cut)
    key = events["session_id"].take(pa.array(cut.offsets[:-1])).combine_chunks()
    # The split hashes with another key. With the same one, the sample would take more of one split.
    return hash_shares(pc.coalesce(visitor, key), f"sample{spec.seed % 10**10:010d}") < spec.sample


def _exclude(cut: SessionCut, sessions: NDArray[np.bool_]) -> SessionCut:
    """Keep no event of some sessions, bool [sessions]."""
    keep = cut.keep & ~np.repeat(sessions, cut.lengths)
    return replace(cut, keep=keep, kept=np.where(sessions, 0, cut.kept))
