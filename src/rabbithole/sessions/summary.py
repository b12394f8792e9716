"""What a manifest of sessions says: counts by split, lengths, and where every event went."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.errors import UserError
from rabbithole.sessions.cutting import EXCLUSION_REASONS
from rabbithole.sessions.splitting import SPLITS

LENGTHS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, None))
"""Bins of the histogram of lengths, in events before the cut, both ends included."""


NONE_LEFT = (
    "No session has an event before its first transaction and is as sessions.until, sessions.minimum_events "
    "and sessions.sample ask: there is nothing to learn from."
)


def manifest_facts(
    parts: Sequence[Mapping[str, Any]],
    *,
    split: Mapping[str, Any],
    bounds: NDArray[np.int64] | None,
    visitors: bool,
    events_in: int,
) -> dict[str, Any]:
    """Add up the tasks' facts; raise `UserError` if no session is left or a split is empty."""
    groups = np.array([row for part in parts for row in part["lengths"]], dtype=np.int64).reshape(-1, 5)
    sessions = int(groups[:, 4].sum())
    left_out = {
        reason: dict(
            zip(
                ("sessions", "buyers", "events"),
                (int(count) for count in np.sum([part["left_out"][reason] for part in parts], axis=0)),
                strict=True,
            )
        )
        for reason in EXCLUSION_REASONS
    }
    if sessions == 0:
        raise UserError(NONE_LEFT)
    by_split = {name: _counts(groups[groups[:, 0] == number]) for number, name in enumerate(SPLITS)}
    for name, counts in by_split.items():
        if counts["sessions"] == 0:
            raise UserError(_why_empty(name, sessions, split, bounds))
    sums = {name: sum(part[f"events_{name}"] for part in parts) for name in ("in", "kept", "cut", "dropped")}
    accounted = sums["kept"] + sums["cut"] + sums["dropped"]
    accounted += sum(counts["events"] for counts in left_out.values())
    assert sums["in"] == events_in == accounted, (sums, left_out)
    facts: dict[str, Any] = {
        "rows": sessions,
        **_counts(groups),
        "dropped": sum(part["dropped"] for part in parts),
        "left_out": left_out,
        "splits": by_split,
        "split_by": split["by"],
        "shares": list(split["shares"]),
        "events": sums,
        "lengths": _lengths(groups),
    }
    if bounds is not None:
        crossed = np.sum([part["crossings"] for part in parts], axis=0)
        facts["boundaries"] = [
            {
                "begins": name,
                "time": datetime.fromtimestamp(int(bound) / 1e6, UTC).isoformat(timespec="milliseconds"),
                "visitors_on_both_sides": int(count) if visitors else None,
            }
            for name, bound, count in zip(SPLITS[1:], bounds, crossed, strict=True)
        ]
    return facts


def _counts(groups: NDArray[np.int64]) -> dict[str, int]:
    sessions, buyer, still_open = groups[:, 4], groups[:, 1], groups[:, 2]
    return {
        "sessions": int(sessions.sum()),
        "buyers": int(sessions[buyer == 1].sum()),
        "open": int(sessions[still_open == 1].sum()),
    }


def _lengths(groups: NDArray[np.int64]) -> dict[str, Any]:
    """Return quantiles and a histogram of the sessions' lengths, exact."""
    lengths, place = np.unique(groups[:, 3], return_inverse=True)
    counts = np.bincount(place, weights=groups[:, 4]).astype(np.int64)
    total, reached = int(counts.sum()), np.cumsum(counts)
    quantiles = {
        f"{share:g}": int(lengths[np.searchsorted(reached, share * total)])
        for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    }
    bins = []
    for low, high in LENGTHS:
        inside = (lengths >= low) & (lengths <= (high or lengths.max()))
        bins.append({"from": low, "to": high, "sessions": int(counts[inside].sum())})
    return {
        "mean": float(np.sum(lengths * counts) / total),
        "median": quantiles["0.5"],
        "longest": int(lengths.max()),
        "quantiles": quantiles,
        "histogram": bins,
    }


def _why_empty(name: str, sessions: int, split: Mapping[str, Any], bounds: NDArray[np.int64] | None) -> str:
    shares = ", ".join(f"{share:g}" for share in split["shares"])
    why = f"{sessions:,} sessions were split by {split['by']} in shares of {shares}"
    if bounds is not None:
        times = " and ".join(
            datetime.fromtimestamp(int(bound) / 1e6, UTC).isoformat(timespec="milliseconds")
            for bound in bounds
        )
        why += f", at {times} (sessions that start at the same time are not parted)"
    return f"The {name} split is empty: {why}. Use more data, or other shares."
