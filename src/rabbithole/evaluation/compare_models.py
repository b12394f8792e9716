"""Which of several scores of the same sessions ranks better, and whether that could be chance."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from rabbithole.errors import UserError
from rabbithole.evaluation.delong import FEWEST, paired_test, placements
from rabbithole.evaluation.scores import Scores, read_scores
from rabbithole.io.atomic import write_json


def compare_models(*, scores: dict[str, Path], output: Path) -> None:
    """Test every pair of scores (name -> scores.parquet, the oracle's among them) on the ended test sessions.

    Writes comparison.json at `output`: {"sessions", "buyers", "reason", "pairs": [{"first", "second",
    "difference" (first minus second), "low", "high", "error", "z", "p"}]}, DeLong's paired test, two-sided.
    With a class missing there are no pairs, but a reason.
    Raises `UserError` unless all score the same sessions with the same labels.
    """
    read = {name: sorted_by_session(read_scores(path, "test").after(0)) for name, path in scores.items()}
    names = list(read)
    for name in names[1:]:
        check_same(names[0], read[names[0]], name, read[name])
    labels = read[names[0]].buyer if names else np.zeros(0, np.int8)
    buyers = int(labels.sum())
    facts: dict[str, Any] = {"sessions": len(labels), "buyers": buyers, "reason": None, "pairs": []}
    if min(buyers, len(labels) - buyers) < FEWEST:
        facts["reason"] = f"{buyers} buyers of {len(labels):,} sessions: a test needs {FEWEST} of each class"
    else:
        parts = {name: placements(labels, one.score) for name, one in read.items()}
        facts["pairs"] = [
            {"first": first, "second": second, **paired_test(parts[first], parts[second])}
            for first, second in combinations(names, 2)
        ]
    write_json(output, facts)


def sorted_by_session(scores: Scores) -> Scores:
    """Return the scores in order of their session ids."""
    order = np.argsort(scores.session_id.astype(str), kind="stable")
    return Scores(scores.session_id[order], scores.steps[order], scores.buyer[order], scores.score[order])


def check_same(first: str, one: Scores, second: str, other: Scores) -> None:
    """Raise `UserError` unless both score the same sessions and call the same ones buyers."""
    if not np.array_equal(one.session_id, other.session_id):
        lost = sorted(set(one.session_id) ^ set(other.session_id))
        raise UserError(
            f"{first!r} and {second!r} score different test sessions ({len(lost):,} stand in one alone, such "
            f"as {lost[0] if lost else 'a repeated id'}). They were made from different windows: delete both "
            "and run again."
        )
    if not np.array_equal(one.buyer, other.buyer):
        wrong = one.session_id[np.flatnonzero(one.buyer != other.buyer)[0]]
        raise UserError(
            f"{first!r} and {second!r} disagree on whether session {wrong} bought: delete both and run again."
        )
