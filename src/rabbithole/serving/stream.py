"""Follows running sessions event by event: one probability after each event."""

import gc
import time as clock
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from scipy.special import expit

from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.live_encoder import LiveEncoder, LiveEvent, UnknownValues
from rabbithole.serving.scoring import Scorer
from rabbithole.serving.steppers import BATCHES, Advance, Progress, make_stepper
from rabbithole.serving.visitor_history import Past, VisitorHistory
from rabbithole.serving.whole_sessions import WholeSessions
from rabbithole.specs.table import CART, PURCHASE

MAX_SESSIONS = 1_000_000
"""Sessions that are held at once; beyond them the one that was idle longest is forgotten, and counted."""

MAX_LINE_BYTES = 2**20
"""A longer line is no event."""

AHEAD_SECONDS = 86_400.0
"""How far an event may be ahead of the machine's clock. One from a later year would end all open sessions,
and each new one at once."""


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
    """A running session.

    visitor: who has a history, None without; seen: the events at its last time, to recognise repeats;
    previous: the time of the last event of its history, None without; number: counts the visitor's sessions;
    lines: its last events, times and JSON, which are added to the history when it ends.
    """

    start: int
    last: int
    visitor: str | None
    progress: Progress
    state: str = "running"
    seen: set[LiveEvent] = field(default_factory=set)
    previous: int | None = None
    number: int = 0
    lines: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=0))


class SessionStream:
    """Holds the running sessions of one model.

    A session leaves memory when no event came for the model's gap (or horizon), by the time of the newest
    event, but no later than this machine's. With history, events are kept for the visitor's next session
    (`VisitorHistory`): those of a session by visitor when it ends, those of a log's own session, beside which
    others may run, at once. counts: of events and answers, by kind.
    """

    def __init__(self, folder: ModelFolder, *, max_sessions: int = MAX_SESSIONS) -> None:
        manifest = folder.manifest
        self.manifest = manifest
        self.by_visitor = manifest.sessions.by == "visitor"
        gap = manifest.sessions.gap_minutes
        self.gap = None if gap is None else gap * 60e6
        self.horizon = manifest.horizon_minutes * 60e6 if gap is None else gap * 60e6
        self.leaves_out = folder.leaves_out
        self.until_cart = manifest.sessions.until == "first_cart"
        self.window, self.history = manifest.window, manifest.sessions.history
        self.visitors = VisitorHistory(self.history)
        self.max_sessions = max_sessions
        self.encoder, self.scorer = LiveEncoder(folder), Scorer.load(folder)
        self.stepper = make_stepper(folder, self.scorer)
        self.sessions: OrderedDict[str, OpenSession] = OrderedDict()
        self.now = 0
        self.counts: Counter[str] = Counter()
        # A cart ends the prediction, so train holds none.
        expected = frozenset([CART] if self.until_cart else [])
        self.unknown = UnknownValues(self.encoder.fields, self.counts, expected)
        self.whole = WholeSessions(manifest, self.encoder, self.scorer, self.leaves_out, self.unknown)
        for size in BATCHES:
            # Compiled before the first event comes.
            self.stepper.advance([self._blank() for _ in range(size)])

    def process(self, lines: Iterable[bytes | str]) -> list[Answer]:
        """Return an answer for each line, a JSON object as in `LiveEvent`, in order."""
        answers: list[Answer] = []
        waiting: list[tuple[LiveScore, Advance]] = []
        for line in lines:
            self.counts["events"] += 1
            if len(line) > MAX_LINE_BYTES:
                reason = f"the line is longer than {MAX_LINE_BYTES:,} bytes, which is the limit"
                answers.append(self._refuse("unreadable", reason))
                continue
            try:
                event = LiveEvent.model_validate_json(line)
            except ValidationError as error:
                answers.append(self._refuse("unreadable", _reason(error)))
                continue
            key = self.key_of(event)
            if key is None:
                answers.append(self._refuse("unreadable", "the event names no session_id"))
                continue
            if self.leaves_out(event.event):
                answers.append(self._refuse("left out", f"the model takes no event {event.event!r}"))
                continue
            if event.microseconds() > (clock.time() + AHEAD_SECONDS) * 1e6:
                answers.append(
                    self._refuse("future", "the event is over a day ahead of this machine's clock")
                )
                continue
            answers.append(self._take(key, event, line, waiting))
        log_odds = self.stepper.advance([advance for _, advance in waiting])
        for (answer, _), score in zip(waiting, expit(log_odds).tolist(), strict=True):
            answer.probability = score
        return answers

    def key_of(self, event: LiveEvent) -> str | None:
        """Return the session (or visitor) that an event belongs to, None if it names none."""
        return event.visitor if self.by_visitor and event.session_id is None else event.session_id

    def key_of_line(self, line: bytes | str) -> str | None:
        """Return the session of an event as JSON, None if it is unreadable."""
        try:
            return self.key_of(LiveEvent.model_validate_json(line))
        except ValidationError:
            return None

    def take_over(self, former: "SessionStream") -> None:
        """Take over the histories and counts of a former model. Both models then add to the same ones."""
        self.visitors.pasts = former.visitors.pasts
        self.counts = self.unknown.counts = former.counts

    def advance_clock(self, now: int) -> None:
        """End the sessions that are idle at a time, in microseconds since 1970."""
        self.now = max(self.now, now)
        self._forget()

    def _take(
        self, key: str, event: LiveEvent, line: bytes | str, waiting: list[tuple[LiveScore, Advance]]
    ) -> Answer:
        """Add an event to its session and return its answer; one without its score yet is in `waiting`."""
        time = event.microseconds()
        session = self.sessions.get(key)
        if session is not None and self.gap is not None and time - session.last > self.gap:
            self._end(key, session)
            session = None
        visitor = key if self.by_visitor else event.visitor
        past = self.visitors.get(visitor) if session is None and visitor is not None else None
        if self.by_visitor and past is not None and time < past.last:
            return self._refuse("late", f"visitor {key!r}: the event is older than the one before it")
        if session is not None and time < session.last:
            return self._refuse("late", f"session {key!r}: the event is older than the one before it")
        if session is not None and time == session.last and event in session.seen:
            return self._refuse("repeated", f"session {key!r}: the event repeats an earlier one")
        # An event from ahead of this machine's clock must not end the sessions of all others.
        self.now = max(self.now, min(time, round(clock.time() * 1e6)))
        if session is None:
            session = self._begin(time, visitor, past)
            self.sessions[key] = session
        previous = session.last if session.progress.events else session.previous
        if time != session.last:
            session.seen.clear()
        session.seen.add(event)
        session.last = time
        dated = (time, line.encode() if isinstance(line, str) else line)
        session.lines.append(dated)
        if not self.by_visitor and session.visitor is not None:
            self.visitors.add(session.visitor, session.number, [dated])
        self.sessions.move_to_end(key)
        self._forget()
        if event.event == PURCHASE:
            self._learn_price(event, time)
            # Nothing more is predicted, so nothing is kept.
            session.state, session.progress = "bought", Progress(deque(), events=session.progress.events)
        running = session.state == "running"
        if running and self.until_cart and event.event == CART:
            session.state = "cart"
        self.counts[session.state] += 1
        answer = LiveScore(session=key, events=session.progress.events, probability=None, state=session.state)
        if running:
            step = self.encoder.encode(event, time, previous=previous, start=session.start)
            self.unknown.count(event, step)
            waiting.append((answer, session.progress.add(step)))
            answer.events = session.progress.events
        return answer

    def _begin(self, time: int, visitor: str | None, past: Past | None) -> OpenSession:
        """Return a new session, after what is kept of its visitor."""
        session = OpenSession(time, time, visitor, self._blank_progress())
        if self.by_visitor:
            session.lines = deque(maxlen=self.visitors.limit)
        if past is not None:
            session.number = past.number + 1
            earlier = past.before(time, self.history)
            session.previous = earlier[-1][1] if earlier else None
            session.progress.history = self.encoder.encode_history(
                [
                    (session.number - number, LiveEvent.model_validate_json(line))
                    for number, _, line in earlier
                ]
            )
        return session

    def _end(self, key: str, session: OpenSession) -> None:
        """Drop an ended session; keep its events for the visitor's next one."""
        del self.sessions[key]
        if self.by_visitor:
            self.visitors.add(key, session.number, session.lines)

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
            if over:
                del self.sessions[key]
            else:
                self._end(key, oldest)
            self.counts["forgotten" if over else "ended"] += 1

    def _blank_progress(self) -> Progress:
        return Progress(deque(maxlen=self.window))

    def _blank(self) -> Advance:
        event = LiveEvent(timestamp="2000-01-01T00:00:00Z")
        step = self.encoder.encode(event, event.microseconds(), previous=None, start=0)
        return self._blank_progress().add(step)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def json_lines(answers: Sequence[Answer]) -> bytes:
    """Return answers as JSON lines."""
    return b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)


NEVER = 2**31 - 1


def spare_old_objects() -> None:
    """Collect garbage once, then look at young objects only.

    A full collection stops the process for a quarter of a second when it holds a model and thousands of
    sessions. Objects are still freed when nothing refers to them. Only reference cycles among old objects
    stay until this is called again. Call it after a model is loaded, which leaves such cycles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
