"""Sorted events become sessions: their bounds, their label, and what is left before the first purchase.

All on whole columns: a table of events in, arrays of one entry a session or an event out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rabbithole.io.parts import map_values
from rabbithole.sessions.splitting import hash_shares

TRANSACTION = "transaction"
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SessionCut:
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


def cut_sessions(events: pa.Table, gap_minutes: float | None) -> SessionCut:
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
    transaction = map_values(is_transaction, events["event"]).to_numpy(zero_copy_only=False)
    first_bought = np.minimum.reduceat(np.where(transaction, times, NEVER), begins)
    keep = times < np.repeat(first_bought, lengths)
    kept = np.add.reduceat(keep.astype(np.int64), begins)
    # Sessions so far, less those before the key's first.
    first_of_key = np.flatnonzero(new_key[begins])
    per_key = np.diff(np.append(first_of_key, len(begins)))
    number = np.arange(len(begins)) - np.repeat(first_of_key, per_key)
    return SessionCut(starts, times, keep, kept, first_bought != NEVER, number)


CART = "addtocart"

EXCLUSION_REASONS = ("without_cart", "short", "not_drawn")
"""Why a session with an event before its first purchase may be left out, in the order of asking."""

Excluded = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Selection:
    """What is asked of a session.

    `until`: "purchase", or "first_cart" (judged at its first cart before a purchase; one without is left
    out); `minimum_events`: of what is kept; `sample`: the share drawn, by hash of the visitor (of the session
    where the log has none) under `seed`.
    """

    until: str
    minimum_events: int
    sample: float
    seed: int

    def __call__(self, cut: SessionCut, events: pa.Table) -> tuple[SessionCut, Excluded]:
        """Return the cut in which sessions left out keep no event, and by reason which they are.

        Left out are bool [sessions]. Only what is kept decides, so that no later event can tell.
        """
        left_out: dict[str, NDArray[np.bool_]] = {}
        if self.until == "first_cart":
            at_cart = _end_at_cart(cut, events["event"])
            left_out["without_cart"] = (cut.kept > 0) & (at_cart.kept == 0)
            cut = at_cart
        if self.minimum_events > 1:
            left_out["short"] = (cut.kept > 0) & (cut.kept < self.minimum_events)
            cut = _without(cut, left_out["short"])
        if self.sample < 1:
            left_out["not_drawn"] = (cut.kept > 0) & ~self._drawn(cut, events)
            cut = _without(cut, left_out["not_drawn"])
        return cut, left_out

    def _drawn(self, cut: SessionCut, events: pa.Table) -> NDArray[np.bool_]:
        heads = pa.array(cut.starts[:-1])
        visitor, key = (events[name].take(heads).combine_chunks() for name in ("visitor", "session_id"))
        # Another key than the split's: else the sample would hold more of one split than of another.
        return hash_shares(pc.coalesce(visitor, key), f"sample{self.seed % 10**10:010d}") < self.sample


def _end_at_cart(cut: SessionCut, kinds: pa.ChunkedArray) -> SessionCut:
    """Return the cut that keeps of each session its first cart and what is earlier; of one without, nothing.

    Of events at the cart's very time it alone is kept, the first in the log: the others may come of it.
    """
    cart = map_values(lambda values: pc.equal(values, CART), kinds).to_numpy(zero_copy_only=False) & cut.keep
    begins, lengths = cut.starts[:-1], np.diff(cut.starts)
    rows = np.arange(len(cart))
    first = np.minimum.reduceat(np.where(cart, rows, len(cart)), begins)
    time = np.where(first < len(cart), cut.times[np.minimum(first, len(cart) - 1)], -NEVER)
    keep = (cut.times < np.repeat(time, lengths)) | (rows == np.repeat(first, lengths))
    return replace(cut, keep=keep, kept=np.add.reduceat(keep.astype(np.int64), begins))


def _without(cut: SessionCut, left_out: NDArray[np.bool_]) -> SessionCut:
    """Return the cut in which some sessions keep nothing."""
    keep = cut.keep & ~np.repeat(left_out, np.diff(cut.starts))
    return replace(cut, keep=keep, kept=np.where(left_out, 0, cut.kept))
