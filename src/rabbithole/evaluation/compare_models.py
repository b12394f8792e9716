"""Compares models by their scores of the same sessions: which ranks better, and could it be chance?"""

from itertools import combinations
from pathlib import Path

import numpy as np

from rabbithole.artifacts.evaluation import Comparison, PairedTest
from rabbithole.counts import plural
from rabbithole.errors import UserError
from rabbithole.evaluation.delong import MIN_CLASS_SIZE, paired_test, placements
from rabbithole.evaluation.scores import Scores, read_scores


def compare_models(*, scores: dict[str, Path], output: Path) -> None:
    """Test every pair of runs on the ended test sessions; write comparison.json.

    scores: by run name, with the oracle's. With a class missing there are no pairs, but a reason. Raises
    `UserError` unless all runs score the same sessions with the same labels.
    """
    runs = {name: sorted_by_session(read_scores(path, "test").after(0)) for name, path in scores.items()}
    names = list(runs)
    for name in names[1:]:
        check_same_sessions(names[0], runs[names[0]], name, runs[name])
    labels = runs[names[0]].buyer if names else np.zeros(0, np.int8)
    buyers = int(labels.sum())
    reason, pairs = None, []
    if min(buyers, len(labels) - buyers) < MIN_CLASS_SIZE:
        counts = f"{plural(buyers, 'buyer')} in {plural(len(labels), 'session')}"
        reason = f"{counts}; the test needs {MIN_CLASS_SIZE} of each class"
    else:
        aucs = {name: placements(labels, run.ranks, run.visitor) for name, run in runs.items()}
        pairs = [
            PairedTest(first=first, second=second, **dict(paired_test(aucs[first], aucs[second])))
            for first, second in combinations(names, 2)
        ]
    Comparison(sessions=len(labels), buyers=buyers, reason=reason, pairs=pairs).write(output)


def sorted_by_session(scores: Scores) -> Scores:
    """Return the scores in the order of their session ids."""
    return scores.take(np.argsort(scores.session_id.astype(str), kind="stable"))


def check_same_sessions(first: str, first_scores: Scores, second: str, second_scores: Scores) -> None:
    """Raise `UserError` unless both runs score the same sessions with the same labels."""
    if not np.array_equal(first_scores.session_id, second_scores.session_id):
        unpaired = sorted(set(first_scores.session_id) ^ set(second_scores.session_id))
        raise UserError(
            f"{first!r} and {second!r} score different test sessions ({len(unpaired):,} in only one, such as "
            f"{unpaired[0] if unpaired else 'a repeated id'}). They were made from different windows: "
            "delete both and run again."
        )
    if not np.array_equal(first_scores.buyer, second_scores.buyer):
        row = np.flatnonzero(first_scores.buyer != second_scores.buyer)[0]
        raise UserError(
            f"{first!r} and {second!r} have different labels for session {first_scores.session_id[row]}: "
            "delete both and run again."
        )
