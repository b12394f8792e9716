"""Advances sessions by one event each. Networks carry their state; trees read the kept window."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import numpy as np
import pyarrow as pa
from jax import Array
from numpy.typing import NDArray

from rabbithole.artifacts.training import CalibrationLine
from rabbithole.models.layers import ENDED, RUNNING
from rabbithole.serving.folder import ModelFolder
from rabbithole.serving.scoring import Scorer
from rabbithole.training.checkpoints import read_description
from rabbithole.training.trainer import restored_network
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import CATEGORICAL, NUMERIC, PADDING

BATCHES = (1, 8, 64)
"""Sessions that are advanced at once: each number is one compiled program, and a batch is padded to it."""

Step = tuple[tuple[int, ...], tuple[float, ...]]
"""An event as the models see it: codes in the order of CATEGORICAL, numbers in that of NUMERIC."""

FIRST: Step = ((PADDING,) * len(CATEGORICAL), (0.0,) * len(NUMERIC))
"""What stands before a session's first event."""


@dataclass(slots=True)
class Progress:
    """What is kept of a running session. steps: its last ones, at most a window; states: of the network."""

    steps: deque[Step]
    events: int = 0
    states: deque[NDArray[np.float32]] = field(default_factory=deque)


class Stepper(Protocol):
    """A model that follows running sessions."""

    def advance(self, sessions: Sequence[Progress]) -> NDArray[np.float64]:
        """Return each session's calibrated log odds, float64 [n], after its last step, which is new."""


def make_stepper(folder: ModelFolder) -> Stepper:
    """Return the stepper of a model folder: with carried state where the model can, else by its window."""
    description = read_description(folder.checkpoint)
    window = WindowStepper(Scorer.load(folder))
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

    def advance(self, sessions: Sequence[Progress]) -> NDArray[np.float64]:
        """Return calibrated log odds; see `Stepper`."""
        windows = windows_of_steps([session.steps for session in sessions])
        steps, place = np.unique(windows.lengths, return_inverse=True)
        return self.scorer.logits(windows, steps.tolist())[place, np.arange(len(sessions))]


class NetworkStepper:
    """Advances a network by its `step`. Sessions longer than the window are computed from their window.

    column: of the logits that holds running sessions.
    """

    def __init__(
        self,
        network: Any,
        weights: Any,
        table: Array,
        line: CalibrationLine,
        column: int,
        window: WindowStepper,
    ) -> None:
        model = network.merge(weights, table)
        self.lags, self.width = model.step_lags, model.step_width
        self.line, self.column, self.window = line, column, window
        self.arguments = (weights, table)

        @jax.jit
        def step(weights: Any, table: Array, codes: Array, numbers: Array, earlier: Array) -> Any:
            return network.merge(weights, table).step(codes, numbers, earlier)

        self.step = step
        self.zero = np.zeros(self.width, np.float32)

    def advance(self, sessions: Sequence[Progress]) -> NDArray[np.float64]:
        """Return calibrated log odds; see `Stepper`."""
        out = np.empty(len(sessions))
        long = [n for n, session in enumerate(sessions) if session.events > self.window.scorer.window]
        if long:
            out[long] = self.window.advance([sessions[n] for n in long])
            for n in long:
                sessions[n].states.clear()
        short = [n for n, session in enumerate(sessions) if session.events <= self.window.scorer.window]
        for start in range(0, len(short), BATCHES[-1]):
            rows = short[start : start + BATCHES[-1]]
            out[rows] = self._advance([sessions[n] for n in rows])
        return out

    def _advance(self, sessions: Sequence[Progress]) -> NDArray[np.float64]:
        """Advance at most one batch, and keep each session's new state."""
        size = next(size for size in BATCHES if size >= len(sessions))
        codes = np.zeros((size, 2, len(CATEGORICAL)), np.int32)
        numbers = np.zeros((size, 2, len(NUMERIC)), np.float32)
        earlier = np.zeros((size, len(self.lags), self.width), np.float32)
        pairs = [(s.steps[-2] if len(s.steps) > 1 else FIRST, s.steps[-1]) for s in sessions]
        codes[: len(pairs)] = [(before[0], now[0]) for before, now in pairs]
        numbers[: len(pairs)] = [(before[1], now[1]) for before, now in pairs]
        for row, session in enumerate(sessions):
            known = len(session.states)
            for place, lag in enumerate(self.lags):
                if lag > known:
                    break
                earlier[row, place] = session.states[-lag]
        logits, states = jax.device_get(self.step(*self.arguments, codes, numbers, earlier))
        for session, state in zip(sessions, states, strict=False):
            if session.states.maxlen is None:
                session.states = deque(maxlen=self.lags[-1])
            session.states.append(state.copy())
        values = logits[: len(sessions), self.column].astype(np.float64)
        return np.asarray(self.line.slope * values + self.line.intercept)


def windows_of_steps(sessions: Sequence[Sequence[Step]]) -> Windows:
    """Return kept steps of running sessions as windows."""
    lengths = [len(steps) for steps in sessions]
    flat = [step for steps in sessions for step in steps]
    n = len(sessions)
    return Windows(
        pa.array([str(number) for number in range(n)], pa.string()),
        np.zeros(n, np.int8),
        np.array(lengths, np.int32),
        np.append(0, np.cumsum(lengths)).astype(np.int64),
        np.array([codes for codes, _ in flat], np.int32).reshape(len(flat), len(CATEGORICAL)),
        np.array([numbers for _, numbers in flat], np.float32).reshape(len(flat), len(NUMERIC)),
    )
