"""Follows running sessions event by event: one probability after each event."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from scipy.special import expit

from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.live_encoder import LiveEncoder, LiveEvent
from rabbithole.serving.steppers import BATCHES, Progress, make_stepper
from rabbithole.sessions.cutting import CART, TRANSACTION

MAX_SESSIONS = 1_000_000
"""Sessions that are held at once; beyond them the one that was idle longest is forgotten, and counted."""


class LiveScore(BaseModel):
    """The answer to one event.

    session: the session's (or visitor's) id; events: seen before a purchase; probability: that the session
    will still buy, None once it has; state: `running`, `bought`, or `cart` (it reached its first cart, where
    the model's prediction ends).
    """

    session: str
    events: int
    probability: float | None
    state: str


class Refusal(BaseModel):
    """The answer to an event that was not used, and why."""

    error: str


Answer = LiveScore | Refusal


@dataclass(slots=True)
class OpenSession:
    """A running session. seen: the events at its last time, to tell repeats."""

    start: int
    last: int
    progress: Progress
    state: str = "running"
    score: float | None = None
    seen: set[LiveEvent] = field(default_factory=set)


class SessionStream:
    """Holds the running sessions of one model.

    A session leaves memory when no event came for the model's gap (or horizon), by the time of the newest
    event. counts: of events and answers, by kind.
    """

    def __init__(self, folder: ModelFolder, *, max_sessions: int = MAX_SESSIONS) -> None:
        manifest = folder.manifest
        self.by_visitor = manifest.sessions.by == "visitor"
        gap = manifest.sessions.gap_minutes
        self.gap = None if gap is None else gap * 60e6
        self.horizon = manifest.horizon_minutes * 60e6 if gap is None else gap * 60e6
        self.until_cart = manifest.sessions.until == "first_cart"
        self.window = manifest.window
        self.max_sessions = max_sessions
        self.encoder, self.stepper = LiveEncoder(folder), make_stepper(folder)
        self.sessions: OrderedDict[str, OpenSession] = OrderedDict()
        self.now = 0
        self.counts: Counter[str] = Counter()
        for size in BATCHES:
            # Compiled before the first event comes.
            self.stepper.advance([self._blank() for _ in range(size)])

    def process(self, lines: Iterable[bytes | str]) -> list[Answer]:
        """Return an answer for each line, a JSON object as in `LiveEvent`, in order."""
        answers: list[Answer | None] = []
        waiting: dict[str, tuple[int, OpenSession]] = {}
        for line in lines:
            self.counts["events"] += 1
            answers.append(None)
            try:
                event = LiveEvent.model_validate_json(line)
            except ValidationError as error:
                answers[-1] = self._refuse("unreadable", _reason(error))
                continue
            key = event.session_id
            if self.by_visitor and key is None:
                key = event.visitor
            if key is None:
                answers[-1] = self._refuse("unreadable", "the event names no session_id")
                continue
            if key in waiting or len(waiting) == BATCHES[-1]:
                self._score(waiting, answers)
            answer = self._take(key, event)
            if answer is None:
                waiting[key] = (len(answers) - 1, self.sessions[key])
            answers[-1] = answer
        self._score(waiting, answers)
        return [answer for answer in answers if answer is not None]

    def _take(self, key: str, event: LiveEvent) -> Answer | None:
        """Add an event to its session; return an answer if nothing is to be computed."""
        time = event.microseconds()
        session = self.sessions.get(key)
        if session is not None and self.gap is not None and time - session.last > self.gap:
            session = None
        if session is not None and time < session.last:
            return self._refuse("late", f"session {key!r}: the event is older than the one before it")
        if session is not None and time == session.last and event in session.seen:
            return self._refuse("repeated", f"session {key!r}: the event repeats an earlier one")
        self.now = max(self.now, time)
        if session is None:
            session = OpenSession(time, time, self._blank_progress())
            self.sessions[key] = session
        previous = session.last if session.progress.events else None
        if time != session.last:
            session.seen.clear()
        session.seen.add(event)
        session.last = time
        self.sessions.move_to_end(key)
        self._forget()
        if event.event == TRANSACTION:
            self._learn_price(event, time)
            session.state, session.score = "bought", None
            session.progress.steps.clear()
            session.progress.states.clear()
        if session.state != "running":
            return self._answer(key, session)
        step = self.encoder.encode(event, time, previous=previous, start=session.start)
        session.progress.steps.append(step)
        session.progress.events += 1
        if self.until_cart and event.event == CART:
            session.state = "cart"
        return None

    def _score(self, waiting: dict[str, tuple[int, OpenSession]], answers: list[Answer | None]) -> None:
        """Advance the waiting sessions by their new event, and fill in their answers."""
        if not waiting:
            return
        log_odds = self.stepper.advance([session.progress for _, session in waiting.values()])
        for (key, (place, session)), score in zip(waiting.items(), expit(log_odds).tolist(), strict=True):
            session.score = score
            answers[place] = self._answer(key, session)
        waiting.clear()

    def _answer(self, key: str, session: OpenSession) -> LiveScore:
        self.counts[session.state] += 1
        return LiveScore(
            session=key, events=session.progress.events, probability=session.score, state=session.state
        )

    def _refuse(self, kind: str, reason: str) -> Refusal:
        self.counts[kind] += 1
        return Refusal(error=f"{kind}: {reason}")

    def _learn_price(self, event: LiveEvent, time: int) -> None:
        if self.encoder.prices is not None and event.item is not None and event.cost:
            self.encoder.prices.add(event.item, time, event.cost)

    def _forget(self) -> None:
        """Drop sessions that ended, and the longest idle ones beyond the limit."""
        while self.sessions:
            key, oldest = next(iter(self.sessions.items()))
            over = len(self.sessions) > self.max_sessions
            if not over and oldest.last >= self.now - self.horizon:
                return
            del self.sessions[key]
            self.counts["forgotten" if over else "ended"] += 1

    def _blank_progress(self) -> Progress:
        return Progress(deque(maxlen=self.window))

    def _blank(self) -> Progress:
        progress = self._blank_progress()
        event = LiveEvent(timestamp="2000-01-01T00:00:00Z")  # type: ignore[arg-type]
        progress.steps.append(self.encoder.encode(event, event.microseconds(), previous=None, start=0))
        progress.events = 1
        return progress


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def json_lines(answers: Sequence[Answer]) -> bytes:
    """Return answers as JSON lines."""
    return b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)
