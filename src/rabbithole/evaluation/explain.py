"""What a trained model leans on, and single sessions step by step: explanation.json."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.evaluation.importance import field_importance, step_importance
from rabbithole.evaluation.scores import rounded
from rabbithole.io.atomic import read_json, write_json
from rabbithole.training.checkpoints import read_description
from rabbithole.training.data import read_encoding, read_split
from rabbithole.training.score import Logits, load_model
from rabbithole.windows.arrays import Windows, take
from rabbithole.windows.fields import CATEGORICAL, FIRST_VALUE

SESSIONS = 20_000
"""Test sessions that are looked at, at most: some seconds of work, and intervals that tell."""

EVENTS = (5, 15)
"""Events of the sessions that are shown step by step: enough for a course, few enough for a small picture."""

OF_EACH = 3
"""Sessions shown of each kind: buyers and others, rising and falling."""


def explain(*, checkpoint: Path, history: Path, windows: Path, seed: int, output: Path) -> None:
    """Ask a trained model which fields and steps it leans on, on test sessions at their natural balance.

    history: of the model's training. Writes explanation.json at `output`: valid_auc (of the kept epoch);
    test_sessions, of which `sessions` were drawn by `seed`, with so many `buyers`; fields and steps (see
    `field_importance` and `step_importance`); journeys (see there).
    """
    description, encoding = read_description(checkpoint), read_encoding(windows)
    test = read_split(windows, "test", encoding)
    draw = np.random.default_rng(seed)
    some = take(test, np.sort(draw.choice(len(test), min(SESSIONS, len(test)), replace=False)))
    logits = load_model(checkpoint, description)

    def ended(windows: Windows) -> NDArray[np.float64]:
        found: NDArray[np.float64] = logits(windows, [0])[0]
        return found

    explanation = {
        "valid_auc": max(row["valid_auc"] for row in read_json(history)["epochs"]),
        "test_sessions": len(test),
        "sessions": len(some),
        "buyers": int(some.buyer.sum()),
        "fields": field_importance(ended, some, draw),
        "steps": step_importance(ended, some, draw),
        "journeys": journeys(logits, some, read_json(checkpoint / "encoder.json")["vocabularies"]["event"]),
    }
    write_json(output, rounded(explanation))


def journeys(logits: Logits, windows: Windows, names: list[str]) -> list[dict[str, Any]]:
    """Return some sessions with the probability, after each event, that they will still buy.

    names: the events' names by code. Of the sessions of 5 to 15 events (their first among them), those whose
    log odds rise most from the first event to the last, and those that fall most, as many of each: buyers,
    then others. Each: session_id, bought, rising, probability after each event, event (its name), and
    whether its item was seen before in the session.
    """
    low, high = EVENTS
    fitting = (windows.events >= low) & (windows.events <= high) & (windows.events == windows.lengths)
    some = take(windows, np.flatnonzero(fitting))
    if not len(some):
        return []
    odds = logits(some, list(range(1, min(high, int(some.lengths.max())) + 1)))
    change = odds[some.lengths - 1, np.arange(len(some))] - odds[0]
    shown: list[dict[str, Any]] = []
    for bought in (True, False):
        rows = np.flatnonzero(some.buyer.astype(bool) == bought)
        order = rows[np.argsort(-change[rows], kind="stable")]
        count = min(OF_EACH, len(order) // 2)
        for rising, part in ((True, order[:count]), (False, order[len(order) - count :][::-1])):
            shown += [_journey(some, row, odds[:, row], names) | {"rising": rising} for row in part]
    return shown


def _journey(windows: Windows, row: int, odds: NDArray[np.float64], names: list[str]) -> dict[str, Any]:
    codes = windows.codes[windows.offsets[row] : windows.offsets[row + 1]]
    items = codes[:, CATEGORICAL.index("item")].tolist()
    known = ["", "missing", "unseen", "rare", *names]
    return {
        "session_id": windows.session_id[row].as_py(),
        "bought": bool(windows.buyer[row]),
        "probability": expit(odds[: len(codes)]).tolist(),
        "event": [known[code] for code in codes[:, CATEGORICAL.index("event")]],
        "again": [item >= FIRST_VALUE and item in items[:place] for place, item in enumerate(items)],
    }
