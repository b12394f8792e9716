"""Which fields and which steps of a session a trained model leans on: permutation importance.

What is asked about moves from session to session and all else stays; the AUC that is lost and the log loss
that is gained say how much the model made of it (Breiman, Random Forests, 2001, section 10; model-agnostic
in Fisher, Rudin & Dominici 2019, arXiv:1801.01489). scikit-learn's `permutation_importance` permutes the
columns of one matrix; sessions are sequences of unlike length, so a column moves as a whole here, among
sessions of like length: it stays a course that a session might take, and the number of events, which stands
in no field, keeps what it tells.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.delong import LEVEL, Placements, normal_quantile, paired_test, placements
from rabbithole.windows.arrays import Windows, take
from rabbithole.windows.fields import CATEGORICAL, FIELDS, NUMERIC

Ended = Callable[[Windows], NDArray[np.float64]]
"""A trained model: sessions that ended to natural log odds of a purchase, float64 [n]."""

FROM_THE_END = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
"""Steps counted from a session's last: from, to (None: to its first)."""

REPEATS = 3
"""Permutations of each field and step; their scores are judged each, and the figures averaged."""

GROUP = 20
"""Sessions of like length at least; lengths that are rarer share a group with the next."""

FEWEST = 5
"""With fewer buyers, or fewer others, an AUC says nothing but noise."""


def field_importance(ended: Ended, windows: Windows, draw: np.random.Generator) -> list[dict[str, Any]]:
    """Return for each of the nine fields what is lost when it comes from another session; see `loss`."""
    before = ended(windows)
    every = np.ones(len(windows.codes), bool)
    return [
        {
            "field": field,
            **loss(windows.buyer, before, _after(ended, windows, every, (field,), draw)),
        }
        for field in FIELDS
    ]


def step_importance(ended: Ended, windows: Windows, draw: np.random.Generator) -> list[dict[str, Any]]:
    """Return for steps from the end, and the first, what is lost when they come from another session.

    All nine fields of these steps move together. Each row is of the sessions that have such a step (the
    first: of those of two or more), and names their number, their buyers, and what `loss` says. from and to
    count from the end; None in both is the first step, None in `to` alone has no end.
    """
    rows = []
    for begin, end in (*FROM_THE_END, (None, None)):
        some = take(windows, np.flatnonzero(windows.lengths >= (begin or 2)))
        if not len(some):
            continue
        lengths = some.lengths
        number = np.arange(len(some.codes)) - np.repeat(some.offsets[:-1], lengths)
        back = np.repeat(lengths, lengths) - number
        chosen = number == 0 if begin is None else (back >= begin) & (back <= (end or back.max()))
        rows.append(
            {
                "from": begin,
                "to": end,
                "sessions": len(some),
                "buyers": int(some.buyer.sum()),
                **loss(some.buyer, ended(some), _after(ended, some, chosen, FIELDS, draw)),
            }
        )
    return rows


def loss(
    labels: NDArray[np.int8], before: NDArray[np.float64], after: list[NDArray[np.float64]]
) -> dict[str, Any]:
    """Return how much AUC log odds lose, and how much log loss (nats a session) they gain.

    labels, before: [n]; after: one array [n] per permutation, whose figures are averaged. Returns auc, the
    one before, and auc_lost and log_loss_gained, each {value, low, high} with a 95 % interval over sessions:
    DeLong's paired one, and that of a mean. The first two are None when a class has fewer than FEWEST
    sessions.
    """
    signs = np.where(labels.astype(bool), -1.0, 1.0)
    nats = np.mean([np.logaddexp(0.0, signs * odds) for odds in after], axis=0)
    nats -= np.logaddexp(0.0, signs * before)
    reach = normal_quantile(LEVEL) * float(nats.std()) / len(nats) ** 0.5
    gained = float(nats.mean())
    found: dict[str, Any] = {
        "auc": None,
        "auc_lost": None,
        "log_loss_gained": {"value": gained, "low": gained - reach, "high": gained + reach},
    }
    buyers = int(labels.sum())
    if min(buyers, len(labels) - buyers) < FEWEST:
        return found
    first = placements(labels, before)
    # The mean of AUCs has the means of their parts for its parts.
    each = [placements(labels, odds) for odds in after]
    second = Placements(
        float(np.mean([one.auc for one in each])),
        np.mean([one.buyers for one in each], axis=0),
        np.mean([one.others for one in each], axis=0),
    )
    test = paired_test(first, second)
    lost = {"value": test["difference"], "low": test["low"], "high": test["high"]}
    return found | {"auc": first.auc, "auc_lost": lost}


def _after(
    ended: Ended,
    windows: Windows,
    chosen: NDArray[np.bool_],
    fields: tuple[str, ...],
    draw: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """Return the log odds after each permutation."""
    return [ended(permuted(windows, chosen, fields, draw)) for _ in range(REPEATS)]


def permuted(
    windows: Windows, chosen: NDArray[np.bool_], fields: tuple[str, ...], draw: np.random.Generator
) -> Windows:
    """Return windows in which the chosen steps' fields come from other sessions of like length.

    chosen: bool [total], the steps. The sessions of a group are shuffled, what was chosen of them laid end
    to end and dealt out again in their old order: sessions of one length exchange whole courses; where
    lengths are rare and share a group, courses are cut anew. No value is lost or doubled.
    """
    owner = np.repeat(np.arange(len(windows)), windows.lengths)[chosen]
    steps = np.flatnonzero(chosen)
    group, place = length_groups(windows.lengths)[owner], draw.permutation(len(windows))[owner]
    # Stable, so that the steps of a session stay in their order.
    target, source = (steps[np.lexsort((order, group))] for order in (owner, place))
    codes, numbers = windows.codes.copy(), windows.numbers.copy()
    for field in fields:
        values, column = (
            (codes, CATEGORICAL.index(field)) if field in CATEGORICAL else (numbers, NUMERIC.index(field))
        )
        values[target, column] = values[source, column]
    return dataclasses.replace(windows, codes=codes, numbers=numbers)


def length_groups(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each session's group, int64 [n]: one length each, or neighbours so that GROUP sessions share it.

    The longest sessions join the group before them where they are too few.
    """
    counts = np.bincount(lengths)
    number = np.zeros(len(counts), np.int64)
    current, held = 0, 0
    for length, count in enumerate(counts):
        number[length] = current
        held += count
        if held >= GROUP:
            current, held = current + 1, 0
    if held:
        number[number == current] = max(current - 1, 0)
    return number[lengths]
