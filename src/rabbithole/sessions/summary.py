"""Summarise the sessions for their manifest: counts by split, lengths, and split boundaries."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import LengthBin, LengthStatistics, SplitBoundary, SplitCounts
from rabbithole.errors import UserError
from rabbithole.sessions.session_task import SessionCounts, SessionGroup
from rabbithole.sessions.splitting import SPLITS
from rabbithole.specs.data import SplitSpec

LENGTH_BINS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, None))
"""First and last length of each bin of the histogram, in kept events."""

NO_SESSION = (
    "No session is left: none has an event before its first transaction and meets sessions.until, "
    "sessions.minimum_events and sessions.sample. Loosen these settings, or use more data."
)


def check_counts(
    counts: SessionCounts, events: int, split: SplitSpec, bounds: NDArray[np.int64] | None
) -> None:
    """Raise `UserError` if no session is left or a split is empty; check that every event is counted once."""
    if not counts.groups:
        raise UserError(NO_SESSION)
    for name, of_split in split_counts(counts.groups).items():
        if of_split.sessions == 0:
            raise UserError(_why_empty(name, counts.groups, split, bounds))
    parts = counts.events.kept + counts.events.cut + counts.events.dropped
    parts += sum(excluded.events for excluded in counts.excluded.values())
    assert events == counts.events.total == parts, (events, counts.events, counts.excluded)


def session_counts(groups: Sequence[SessionGroup]) -> SplitCounts:
    """Return the sessions of groups, the buyers and the open ones among them."""
    return SplitCounts(
        sessions=sum(group.sessions for group in groups),
        buyers=sum(group.sessions for group in groups if group.buyer),
        open=sum(group.sessions for group in groups if group.open),
    )


def split_counts(groups: Sequence[SessionGroup]) -> dict[str, SplitCounts]:
    """Return the sessions of each split."""
    return {
        name: session_counts([group for group in groups if group.split == number])
        for number, name in enumerate(SPLITS)
    }


def length_statistics(groups: Sequence[SessionGroup]) -> LengthStatistics:
    """Return exact quantiles and a histogram of the sessions' lengths."""
    lengths, index = np.unique([group.length for group in groups], return_inverse=True)
    counts = np.bincount(index, weights=[group.sessions for group in groups]).astype(np.int64)
    total, reached = int(counts.sum()), np.cumsum(counts)
    quantiles = {
        f"{share:g}": int(lengths[np.searchsorted(reached, share * total)])
        for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    }
    histogram = []
    for first, last in LENGTH_BINS:
        inside = (lengths >= first) & (lengths <= (last or lengths.max()))
        histogram.append(LengthBin(first=first, last=last, sessions=int(counts[inside].sum())))
    return LengthStatistics(
        mean=float(np.sum(lengths * counts) / total),
        median=quantiles["0.5"],
        longest=int(lengths.max()),
        quantiles=quantiles,
        histogram=histogram,
    )


def split_boundaries(
    bounds: NDArray[np.int64] | None, crossings: dict[str, int], *, visitors: bool
) -> list[SplitBoundary]:
    """Return when valid and test begin, empty for a split by hash. visitors: whether the log names them."""
    if bounds is None:
        return []
    return [
        SplitBoundary(
            begins=name, time=_iso_time(bound), visitors_on_both_sides=crossings[name] if visitors else None
        )
        for name, bound in zip(SPLITS[1:], bounds.tolist(), strict=True)
    ]


def _iso_time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")


def _why_empty(
    name: str, groups: Sequence[SessionGroup], split: SplitSpec, bounds: NDArray[np.int64] | None
) -> str:
    shares = ", ".join(f"{share:g}" for share in split.shares)
    why = f"{session_counts(groups).sessions:,} sessions were split by {split.by} in shares of {shares}"
    if bounds is not None:
        times = " and ".join(map(_iso_time, bounds.tolist()))
        why += f", at {times} (sessions that start at the same time stay together)"
    return f"The {name} split is empty: {why}. Use more data, or other shares."
