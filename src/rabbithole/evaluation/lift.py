"""What a campaign gains that addresses only the sessions with the highest scores.

Sessions with equal scores stand in random order: all figures are the expectation over those orders.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.delong import wilson

TOPS = (0.01, 0.05, 0.10)
GAIN_SHARES = (0.0, 0.005, *(percent / 100 for percent in range(1, 101)))


def reached(
    labels: NDArray[Any], scores: NDArray[np.float64], addressed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many buyers are expected among the `addressed` highest scores.

    `addressed` [k] are numbers of sessions and may be fractional, as may be what is returned, float64 [k].
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)) + 1, len(ordered))
    buyers = np.cumsum(labels[order].astype(float))[ends - 1]
    # Within a run of equal scores buyers come at an even rate, so the expectation is a straight line.
    return np.interp(addressed, np.concatenate([[0], ends]), np.concatenate([[0.0], buyers]))


def lift_table(labels: NDArray[Any], scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return the lift in the top 1, 5 and 10 %: the share of buyers there over that of all sessions.

    The number addressed is rounded to whole sessions, at least one. The interval is binomial: Wilson's at
    95 % for the share of all buyers that is reached, divided by the share addressed. Empty without buyers.
    """
    sessions, buyers = len(labels), int(labels.sum())
    if not buyers:
        return []
    table = []
    for top in TOPS:
        addressed = max(1, round(top * sessions))
        found = float(reached(labels, scores, np.array([addressed], float))[0])
        low, high = wilson(found, buyers)
        share = addressed / sessions
        table.append(
            {
                "top": top,
                "addressed": addressed,
                "buyers": found,
                "reached": found / buyers,
                "lift": found / buyers / share,
                "low": low / share,
                "high": high / share,
            }
        )
    return table


def gain_curve(labels: NDArray[Any], scores: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return the cumulative gain: the share of buyers reached against the share of sessions addressed.

    Keys addressed, reached, low, high (Wilson, 95 %), one value per percent. Empty lists without buyers.
    """
    buyers = int(labels.sum())
    if not buyers:
        return {"addressed": [], "reached": [], "low": [], "high": []}
    shares = np.array(GAIN_SHARES)
    found = reached(labels, scores, shares * len(labels))
    bounds = [wilson(float(value), buyers) for value in found]
    return {
        "addressed": shares.tolist(),
        "reached": (found / buyers).tolist(),
        "low": [low for low, _ in bounds],
        "high": [high for _, high in bounds],
    }
