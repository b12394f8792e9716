"""The forward algorithm on many sequences of unlike length at once; pure arrays, no shop and no files."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def forward(
    initial: Floats,
    running: Floats,
    log_emission: Floats,
    offsets: NDArray[np.int64],
    steps: list[int] | None = None,
) -> tuple[Floats, dict[int, tuple[NDArray[np.int64], Floats]]]:
    """Return P(state at the last event | all events), and the same after the first k events.

    initial: [n, S], any positive scale. running: [S, S], weight of going on from one state to another (rows
    may sum to less than 1). log_emission: [total, S], log P(event | state) less anything that an event's
    states share. offsets: int64 [n + 1], sequence i's events are offsets[i]:offsets[i + 1], at least one.

    Gives weights [n, S] that sum to 1 a row, and for each k of `steps` the (ascending) numbers of the
    sequences with at least k events and their weights then. Weights are scaled at each event, so that no
    length underflows. An event that no state can show is a ValueError.
    """
    length = np.diff(offsets)
    order = np.argsort(-length, kind="stable")
    # Sequences from the longest to the shortest: those still running are always the first ones.
    alive = np.searchsorted(-length[order], -np.arange(1, int(length.max(initial=0)) + 1), side="right")
    weights = np.empty((len(length), len(running)))
    after: dict[int, tuple[NDArray[np.int64], Floats]] = {}
    wanted = set(steps or [])
    for step, count in enumerate(alive):
        ahead = initial[order] if step == 0 else weights[:count] @ running
        emission = log_emission[offsets[order[:count]] + step]
        # Only the states that can be reached set the scale: else a far likelier state would drown them.
        with np.errstate(divide="ignore"):
            emission = emission + np.log(ahead)
        top = emission.max(1, keepdims=True)
        if not np.isfinite(top).all():
            raise ValueError("an event that no state can show")
        weight = np.exp(emission - top)
        weights[:count] = weight / weight.sum(1, keepdims=True)
        if step + 1 in wanted:
            back = np.argsort(order[:count])
            after[step + 1] = order[:count][back], weights[:count][back]
    final = np.empty_like(weights)
    final[order] = weights
    return final, after
