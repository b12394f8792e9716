"""Explains a trained model: importance of fields and steps, and single sessions step by step."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.evaluation import Explanation, Journey
from rabbithole.artifacts.training import History
from rabbithole.evaluation.importance import field_importance, step_importance
from rabbithole.specs.training import ExplainSpec
from rabbithole.training.data import read_encoding, read_split
from rabbithole.training.score import Logits, load_model
from rabbithole.windows.arrays import Windows, take
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE

MAX_SESSIONS = 20_000
"""Test sessions that are used: seconds of work, and narrow intervals."""

JOURNEY_EVENTS = (5, 15)
"""Events of the sessions shown step by step: enough to see a course, few enough for a small figure."""

JOURNEYS_PER_KIND = 3
"""Sessions shown of each kind: buyers and non-buyers, rising and falling."""


def explain(spec: ExplainSpec, *, checkpoint: Path, history: Path, windows: Path, output: Path) -> None:
    """Explain a trained model on test sessions at their natural share of buyers; write explanation.json.

    history: the model's history.json, which has its AUC on valid.
    """
    encoding, epochs = read_encoding(windows), History.read(history).epochs
    test = read_split(windows, "test", encoding)
    rng = np.random.default_rng(spec.seed)
    sample = take(test, np.sort(rng.choice(len(test), min(MAX_SESSIONS, len(test)), replace=False)))
    logits = load_model(checkpoint)

    def ended(windows: Windows) -> NDArray[np.float64]:
        return np.asarray(logits(windows, [0])[0])

    event_names = EncoderFile.read(checkpoint / "encoder.json").vocabularies["event"]
    Explanation(
        valid_auc=max(epoch.valid_auc for epoch in epochs if epoch.valid_auc is not None),
        test_sessions=len(test),
        sessions=len(sample),
        buyers=int(sample.buyer.sum()),
        fields=field_importance(ended, sample, rng),
        steps=step_importance(ended, sample, rng),
        journeys=journeys(logits, sample, [str(name) for name in event_names]),
    ).write(output)


def journeys(logits: Logits, windows: Windows, event_names: list[str]) -> list[Journey]:
    """Return some sessions with the probability of a purchase after each event.

    event_names: the event vocabulary. Among uncut sessions of 5 to 15 events, these are the ones whose log
    odds rise most from the first event to the last, and as many whose log odds fall most: buyers first, then
    non-buyers.
    """
    low, high = JOURNEY_EVENTS
    fitting = (windows.events >= low) & (windows.events <= high) & (windows.events == windows.lengths)
    sessions = take(windows, np.flatnonzero(fitting))
    if not len(sessions):
        return []
    log_odds = logits(sessions, list(range(1, min(high, int(sessions.lengths.max())) + 1)))
    change = log_odds[sessions.lengths - 1, np.arange(len(sessions))] - log_odds[0]
    shown = []
    for bought in (True, False):
        rows = np.flatnonzero(sessions.buyer.astype(bool) == bought)
        order = rows[np.argsort(-change[rows], kind="stable")]
        count = min(JOURNEYS_PER_KIND, len(order) // 2)
        for rising, part in ((True, order[:count]), (False, order[len(order) - count :][::-1])):
            shown += [_journey(sessions, row, log_odds[:, row], event_names, rising=rising) for row in part]
    return shown


def _journey(
    windows: Windows, row: int, log_odds: NDArray[np.float64], event_names: list[str], *, rising: bool
) -> Journey:
    codes = windows.codes[windows.offsets[row] : windows.offsets[row + 1]]
    items = codes[:, CATEGORICAL.index("item")].tolist()
    names = ["", "missing", "unseen", "rare", *event_names]
    return Journey(
        session_id=windows.session_id[row].as_py(),
        bought=bool(windows.buyer[row]),
        rising=rising,
        probability=expit(log_odds[: len(codes)]).tolist(),
        event=[names[code] for code in codes[:, CATEGORICAL.index("event")]],
        again=[item >= FIRST_VALUE and item in items[:step] for step, item in enumerate(items)],
    )
