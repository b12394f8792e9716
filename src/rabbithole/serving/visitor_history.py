"""Keeps the last events of visitors, for the history of their next session."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

MAX_VISITORS = 100_000
"""Visitors whose events are kept; beyond them the one who was seen longest ago is forgotten."""


PastEvent = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Past:
    """The last events of a visitor, in the order in which they came.

    events: number of the session, time in microseconds since 1970, and the event as JSON; number: of the
    visitor's last session.
    """

    events: tuple[PastEvent, ...]
    number: int

    @property
    def last(self) -> int:
        """Return the time of the last event."""
        return self.events[-1][1]

    def before(self, time: int, limit: int) -> list[PastEvent]:
        """Return the last events before a time, at most `limit`, in the order of their times."""
        return sorted((event for event in self.events if event[1] < time), key=lambda event: event[1])[
            -limit:
        ]


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

    def add(self, visitor: str, number: int, events: Iterable[tuple[int, bytes]]) -> None:
        """Add events of the visitor's session with a number: times and the events as JSON."""
        if not self.limit:
            return
        past = self.pasts.pop(visitor, Past((), 0))
        kept = (*past.events, *((number, time, line) for time, line in events))
        self.pasts[visitor] = Past(kept[-self.limit :], max(number, past.number))
        if len(self.pasts) > MAX_VISITORS:
            self.pasts.popitem(last=False)
