"""Keeps the last events of visitors whose sessions have ended, for the history of their next session."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

MAX_VISITORS = 100_000
"""Visitors whose events are kept; beyond them the one whose session ended longest ago is forgotten."""


@dataclass(frozen=True, slots=True)
class Past:
    """The last events of a visitor's ended sessions.

    events: as JSON, in order of time, each with its session's number; last: the time of the last one, in
    microseconds since 1970.
    """

    events: tuple[tuple[int, bytes], ...]
    last: int

    @property
    def number(self) -> int:
        """Return the number of the last session."""
        return self.events[-1][0]


class VisitorHistory:
    """The past of each visitor. limit: the events that are kept of a visitor, 0 to keep nothing.

    Events stay JSON, so that a new model, with an encoder of its own, takes them over.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.pasts: OrderedDict[str, Past] = OrderedDict()

    def get(self, visitor: str) -> Past | None:
        """Return the past of a visitor, None if nothing is kept of it."""
        return self.pasts.get(visitor)

    def add(self, visitor: str, number: int, events: Iterable[bytes], last: int) -> None:
        """Add an ended session's events, as JSON. last: the time of the last one."""
        if not self.limit:
            return
        past = self.pasts.pop(visitor, None)
        kept = (*(() if past is None else past.events), *((number, line) for line in events))
        self.pasts[visitor] = Past(kept[-self.limit :], last)
        if len(self.pasts) > MAX_VISITORS:
            self.pasts.popitem(last=False)
