"""Scores whole sessions that are given as events; nothing of them is kept."""

from collections.abc import Callable, Sequence

import numpy as np

from rabbithole.artifacts.serving import ModelManifest
from rabbithole.serving.live_encoder import LiveEncoder, LiveEvent, UnknownValues
from rabbithole.serving.scoring import Scorer
from rabbithole.serving.steppers import Step, windows_of_steps
from rabbithole.specs.table import PURCHASE

WholeScore = tuple[int, float | None, str]
"""Events seen, the probability (None without an event before a purchase) and the state of a session."""


class WholeSessions:
    """Scores sessions of which all events are at hand.

    leaves_out: whether events with a word are not taken; unknown: counts what the model does not know.
    """

    def __init__(
        self,
        manifest: ModelManifest,
        encoder: LiveEncoder,
        scorer: Scorer,
        leaves_out: Callable[[str], bool],
        unknown: UnknownValues,
    ) -> None:
        gap = manifest.sessions.gap_minutes
        self.gap = None if gap is None else gap * 60e6
        self.window, self.history = manifest.window, manifest.sessions.history
        self.encoder, self.scorer, self.leaves_out, self.unknown = encoder, scorer, leaves_out, unknown

    def score(self, sessions: Sequence[tuple[Sequence[LiveEvent], bool]]) -> list[WholeScore]:
        """Return the score of each session.

        Each session comes with whether it has ended. Its events are taken in the order of their times, up to
        the first purchase. For a model with history, events before the last pause longer than the gap, or of
        other session ids, are the session's history.
        """
        steps: list[list[Step]] = []
        histories: list[tuple[Step, ...]] = []
        buys: list[bool] = []
        for events, _ in sessions:
            taken = (event for event in events if not self.leaves_out(event.event))
            ordered = sorted(taken, key=LiveEvent.microseconds)
            earlier, ordered = self._split_history(ordered)
            times = [event.microseconds() for event in ordered]
            bought = next((t for t, e in zip(times, ordered, strict=True) if e.event == PURCHASE), None)
            buys.append(bought is not None)
            seen = [pair for pair in zip(times, ordered, strict=True) if bought is None or pair[0] < bought]
            before = [earlier[-1][1].microseconds() if earlier else None, *times]
            histories.append(self.encoder.encode_history(earlier))
            steps.append(
                [
                    self.encoder.encode(event, time, previous=before[place], start=times[0])
                    for place, (time, event) in enumerate(seen)
                ]
            )
            for (_, event), step in zip(seen, steps[-1], strict=True):
                self.unknown.count(event, step)
        scored = [row for row, taken in enumerate(steps) if taken]
        out: list[WholeScore] = [
            (0, None, "bought" if buyer else "ended" if ended else "running")
            for buyer, (_, ended) in zip(buys, sessions, strict=True)
        ]
        if scored:
            windows = windows_of_steps(
                [steps[row][-self.window :] for row in scored],
                self.encoder.fields,
                [histories[row] for row in scored],
            )
            running = np.array([not sessions[row][1] for row in scored])
            chances = self.scorer.probabilities(windows, running).tolist()
            for row, chance in zip(scored, chances, strict=True):
                out[row] = (len(steps[row]), chance, "ended" if sessions[row][1] else "running")
        return out

    def _split_history(self, events: list[LiveEvent]) -> tuple[list[tuple[int, LiveEvent]], list[LiveEvent]]:
        """Return the history of the last session of sorted events, and its own events.

        Each event of the history comes with how many sessions ago it was. A model without history takes all
        events as one session. Where sessions are the log's own, the last event is of the last one.
        """
        if not self.history or not events:
            return [], events
        if self.gap is None:
            last = events[-1].session_id
            names = dict.fromkeys(event.session_id for event in events)
            numbers = {name: number for number, name in enumerate(names)}
            own_events = [event for event in events if event.session_id == last]
            start = own_events[0].microseconds()
            earlier = [
                (numbers[last] - numbers[event.session_id], event)
                for event in events
                if event.session_id != last and event.microseconds() < start
            ]
            return earlier[-self.history :], own_events
        times = np.array([event.microseconds() for event in events])
        number = np.append(0, np.cumsum(np.diff(times) > self.gap))
        ago = (number[-1] - number).tolist()
        own = ago.index(0)
        return list(zip(ago, events, strict=True))[max(own - self.history, 0) : own], events[own:]
