"""What a training has come to so far, and goes on from."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainingState:
    """All that training needs to go on from where it stands.

    learned: a tree of arrays, among them weights, optimiser and, where dropout's keys follow from it, the
    count of steps; best: the weights of the best epoch, a tree of arrays; epoch: those done;
    place: batches done in the one under way; rows: one dict an epoch; seconds: how long each epoch took, of
    one that was broken off since it went on.
    """

    learned: Any
    best: Any
    best_epoch: int = 0
    epoch: int = 0
    place: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
