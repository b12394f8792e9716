"""Advances sessions by one event each. Networks carry their state; trees read the kept window."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import numpy as np
import pyarrow as pa
from jax import Array
from numpy.typing import NDArray

from rabbithole.artifacts.data import Fields
from rabbithole.artifacts.training import CalibrationLine
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.scoring import Scorer
from rabbithole.training.checkpoints import read_description
from rabbithole.training.train_step import Network
from rabbithole.training.trainer import restored_network
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import PADDING

BATCHES = (1, 16, 128)
"""Sessions that are advanced at once: each number is one compiled program, and a batch is padded to it."""

Step = tuple[tuple[int, ...], tuple[float, ...]]
"""An event as the models see it: codes and numbers in the order of the fields."""


@dataclass(slots=True)
class Progress:
    """What is kept of a running session.

    steps: its last ones, at most a window; history: those of the visitor's earlier sessions; states: of the
    network.
    """

    steps: deque[Step]
    history: tuple[Step, ...] = ()
    events: int = 0
    states: deque[NDArray[np.float32]] = field(default_factory=deque)

    def add(self, step: Step) -> "Advance":
        """Add an event; return what a stepper needs to score the session after it."""
        first, long = self.events == 0, self.events >= (self.steps.maxlen or 0)
        # Padding stands before the first step of all.
        padding: Step = ((PADDING,) * len(step[0]), (0.0,) * len(step[1]))
        earlier = (padding, *self.history)
        before = earlier[-1] if first else self.steps[-1]
        self.steps.append(step)
        self.events += 1
        replay = tuple(zip(earlier, self.history, strict=False)) if first else ()
        return Advance(self, before, step, tuple(self.steps), replay, long=long)


@dataclass(frozen=True, slots=True)
class Advance:
    """One new event of a session.

    before: the step before it; window: the session's last steps up to this event; replay: at a session's
    first event, the steps of its history, each with the one before; long: whether the session has more events
    than a window holds.
    """

    progress: Progress
    before: Step
    now: Step
    window: tuple[Step, ...]
    replay: tuple[tuple[Step, Step], ...] = ()
    long: bool = False


class Stepper(Protocol):
    """A model that follows running sessions."""

    def advance(self, events: Sequence[Advance]) -> NDArray[np.float64]:
        """Return the calibrated log odds after each event, float64 [n]; a session's events come in order."""


def make_stepper(folder: ModelFolder, scorer: Scorer) -> Stepper:
    """Return the stepper of a model folder: with carried state where the model can, else by its window."""
    description = read_description(folder.checkpoint)
    window = WindowStepper(scorer, folder.encoder.fitted.fields)
    if description.batch_size is None:
        return window
    network, weights, table = restored_network(folder.checkpoint)
    if not hasattr(network.merge(weights, table), "step"):
        return window
    assert description.calibration is not None
    return NetworkStepper(
        network,
        weights,
        table,
        description.calibration.running,
        RUNNING if description.prefixes else ENDED,
        window,
    )


@dataclass(frozen=True)
class WindowStepper:
    """Computes a session's score from the events of its window."""

    scorer: Scorer
    fields: Fields

    def advance(self, events: Sequence[Advance]) -> NDArray[np.float64]:
        """Return calibrated log odds; see `Stepper`."""
        out = np.empty(len(events))
        for rows in _rounds(events):
            histories = [events[row].progress.history for row in rows]
            windows = windows_of_steps([events[row].window for row in rows], self.fields, histories)
            steps, place = np.unique(windows.present, return_inverse=True)
            out[rows] = self.scorer.logits(windows, steps.tolist())[place, np.arange(len(rows))]
        return out


class NetworkStepper:
    """Advances a network by its `step`. Sessions longer than the window are computed from their window.

    column: of the logits that holds running sessions.
    """

    def __init__(
        self,
        network: Network,
        weights: Any,
        table: Array,
        line: CalibrationLine,
        column: int,
        window: WindowStepper,
    ) -> None:
        model = network.merge(weights, table)
        self.lags, self.width = model.step_lags, model.step_width
        self.line, self.column, self.window = line, column, window
        self.fields = window.fields
        # The weights are constants of the program: passing them costs more than a step.
        self.step = jax.jit(lambda *arrays: network.merge(weights, table).step(*arrays))

    def advance(self, events: Sequence[Advance]) -> NDArray[np.float64]:
        """Return calibrated log odds; see `Stepper`."""
        steps, own = [], []
        for event in events:
            steps += [replace(event, before=before, now=now) for before, now in event.replay]
            own.append(len(steps))
            steps.append(event)
        return self._advance_all(steps)[own]

    def _advance_all(self, events: Sequence[Advance]) -> NDArray[np.float64]:
        out = np.empty(len(events))
        long = [row for row, event in enumerate(events) if event.long]
        if long:
            out[long] = self.window.advance([events[row] for row in long])
        for rows in _rounds(events):
            short = [row for row in rows if not events[row].long]
            for start in range(0, len(short), BATCHES[-1]):
                batch = short[start : start + BATCHES[-1]]
                out[batch] = self._advance([events[row] for row in batch])
        return out

    def _advance(self, events: Sequence[Advance]) -> NDArray[np.float64]:
        """Advance at most one batch of different sessions, and keep each session's new state."""
        size = next(size for size in BATCHES if size >= len(events))
        codes = np.zeros((size, 2, len(self.fields.categorical)), np.int32)
        numbers = np.zeros((size, 2, len(self.fields.numeric)), np.float32)
        earlier = np.zeros((size, len(self.lags), self.width), np.float32)
        codes[: len(events)] = [(event.before[0], event.now[0]) for event in events]
        numbers[: len(events)] = [(event.before[1], event.now[1]) for event in events]
        for row, event in enumerate(events):
            states = event.progress.states
            for place, lag in enumerate(self.lags):
                if lag > len(states):
                    break
                earlier[row, place] = states[-lag]
        logits, after = (np.asarray(array) for array in self.step(codes, numbers, earlier))
        for event, state in zip(events, after, strict=False):
            if event.progress.states.maxlen is None:
                event.progress.states = deque(maxlen=self.lags[-1])
            # A copy: a view would keep the whole batch in memory.
            event.progress.states.append(state.copy())
        values = logits[: len(events), self.column].astype(np.float64)
        return np.asarray(self.line.slope * values + self.line.intercept)


def _rounds(events: Sequence[Advance]) -> Iterator[list[int]]:
    """Yield rows that hold each session at most once: first events, then second events, and so on."""
    rounds: list[list[int]] = []
    seen: Counter[int] = Counter()
    for row, event in enumerate(events):
        session = id(event.progress)
        if seen[session] == len(rounds):
            rounds.append([])
        rounds[seen[session]].append(row)
        seen[session] += 1
    yield from rounds


def windows_of_steps(
    sessions: Sequence[Sequence[Step]], fields: Fields, histories: Sequence[Sequence[Step]]
) -> Windows:
    """Return kept steps of running sessions, each after its history, as windows."""
    earlier = [len(steps) for steps in histories]
    present = [len(steps) for steps in sessions]
    lengths = np.add(earlier, present)
    flat = [step for parts in zip(histories, sessions, strict=True) for steps in parts for step in steps]
    n = len(sessions)
    return Windows(
        pa.array([str(number) for number in range(n)], pa.string()),
        np.zeros(n, np.int8),
        np.array(present, np.int32),
        np.append(0, np.cumsum(lengths)).astype(np.int64),
        np.array([codes for codes, _ in flat], np.int32).reshape(len(flat), len(fields.categorical)),
        np.array([numbers for _, numbers in flat], np.float32).reshape(len(flat), len(fields.numeric)),
        fields,
        np.array(earlier, np.int32),
    )
