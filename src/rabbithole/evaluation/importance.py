"""Permutation importance: which fields and which steps of a session does a trained model use?

A permutation moves some fields or steps between sessions and leaves everything else. The AUC that is lost and
the log loss that is gained measure how much the model relied on them (Breiman, Random Forests, 2001, section
10; model-agnostic in Fisher, Rudin & Dominici 2019, arXiv:1801.01489). scikit-learn's
`permutation_importance` permutes the columns of one matrix. Sessions are sequences of different lengths, so
a field's course moves among sessions of similar length. It stays a course that a session might have, and the
number of events, which is not a field, keeps its information.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.evaluation import FieldImportance, ImportanceLoss, Interval, StepImportance
from rabbithole.evaluation.delong import Placements, paired_test, placements
from rabbithole.evaluation.intervals import normal_quantile
from rabbithole.windows.arrays import Windows, take
from rabbithole.windows.fields import CATEGORICAL, FIELDS, NUMERIC

Floats = NDArray[np.float64]

EndedLogits = Callable[[Windows], Floats]
"""A trained model: from ended sessions to the log odds of a purchase, float64 [n]."""

STEP_RANGES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
"""Steps counted from the end of a session: first, last (None: no end)."""

REPEATS = 3
"""Permutations of each field and step range; their results are averaged."""

MIN_GROUP = 20
"""Sessions that a group of similar length has at least."""

MIN_CLASS_SIZE = 5
"""Sessions of each class that an AUC needs; with fewer it is noise."""


def field_importance(ended: EndedLogits, windows: Windows, rng: np.random.Generator) -> list[FieldImportance]:
    """Return the loss from permuting each of the nine fields."""
    before = ended(windows)
    every = np.ones(len(windows.codes), bool)
    return [
        FieldImportance(
            field=field,
            **dict(loss(windows.buyer, before, _permuted_logits(ended, windows, every, (field,), rng))),
        )
        for field in FIELDS
    ]


def step_importance(ended: EndedLogits, windows: Windows, rng: np.random.Generator) -> list[StepImportance]:
    """Return the loss from permuting all nine fields of steps, by their place from the end, and of the first.

    Each row is computed on the sessions that have such a step (for the first step: two steps or more).
    """
    rows = []
    for first, last in (*STEP_RANGES, (None, None)):
        sessions = take(windows, np.flatnonzero(windows.lengths >= (first or 2)))
        if not len(sessions):
            continue
        lengths = sessions.lengths
        position = np.arange(len(sessions.codes)) - np.repeat(sessions.offsets[:-1], lengths)
        from_end = np.repeat(lengths, lengths) - position
        if first is None:
            chosen = position == 0
        else:
            chosen = (from_end >= first) & (from_end <= (last or from_end.max()))
        after = _permuted_logits(ended, sessions, chosen, FIELDS, rng)
        rows.append(
            StepImportance(
                first=first,
                last=last,
                sessions=len(sessions),
                buyers=int(sessions.buyer.sum()),
                **dict(loss(sessions.buyer, ended(sessions), after)),
            )
        )
    return rows


def loss(labels: NDArray[np.int8], before: Floats, after: list[Floats]) -> ImportanceLoss:
    """Return how much AUC the permutations cost, and how much log loss (nats per session) they add.

    labels: int8 [n]; before: float64 [n], log odds; after: the same for each permutation. Results are means
    over the permutations. The 95 % intervals are over sessions: DeLong's paired one, and that of a mean.
    There is no AUC when a class has fewer than MIN_CLASS_SIZE sessions.
    """
    signs = np.where(labels.astype(bool), -1.0, 1.0)
    nats = np.mean([np.logaddexp(0.0, signs * log_odds) for log_odds in after], axis=0)
    nats -= np.logaddexp(0.0, signs * before)
    half_width = normal_quantile() * float(nats.std()) / len(nats) ** 0.5
    gained = float(nats.mean())
    log_loss_gained = Interval(value=gained, low=gained - half_width, high=gained + half_width)
    buyers = int(labels.sum())
    if min(buyers, len(labels) - buyers) < MIN_CLASS_SIZE:
        return ImportanceLoss(auc=None, auc_lost=None, log_loss_gained=log_loss_gained)
    auc_before = placements(labels, before)
    # The components of a mean of AUCs are the means of their components.
    each = [placements(labels, log_odds) for log_odds in after]
    auc_after = Placements(
        float(np.mean([auc.auc for auc in each])),
        np.mean([auc.buyers for auc in each], axis=0),
        np.mean([auc.non_buyers for auc in each], axis=0),
    )
    test = paired_test(auc_before, auc_after)
    return ImportanceLoss(
        auc=auc_before.auc,
        auc_lost=Interval(value=test.difference, low=test.low, high=test.high),
        log_loss_gained=log_loss_gained,
    )


def _permuted_logits(
    ended: EndedLogits,
    windows: Windows,
    chosen: NDArray[np.bool_],
    fields: tuple[str, ...],
    rng: np.random.Generator,
) -> list[Floats]:
    """Return the log odds after each permutation."""
    return [ended(permute(windows, chosen, fields, rng)) for _ in range(REPEATS)]


def permute(
    windows: Windows, chosen: NDArray[np.bool_], fields: tuple[str, ...], rng: np.random.Generator
) -> Windows:
    """Return windows in which the fields of the chosen steps come from other sessions of similar length.

    chosen: bool [total], the steps. The sessions of a group are shuffled, their chosen steps are laid end to
    end, and refilled in the original order. Sessions of one length exchange complete courses; in groups of
    several lengths courses are cut at new places. No value is lost or duplicated.
    """
    session = np.repeat(np.arange(len(windows)), windows.lengths)[chosen]
    steps = np.flatnonzero(chosen)
    group, shuffled = length_groups(windows.lengths)[session], rng.permutation(len(windows))[session]
    # Stable, so that the steps of a session stay in their order.
    target, source = (steps[np.lexsort((order, group))] for order in (session, shuffled))
    codes, numbers = windows.codes.copy(), windows.numbers.copy()
    for field in fields:
        values, column = (
            (codes, CATEGORICAL.index(field)) if field in CATEGORICAL else (numbers, NUMERIC.index(field))
        )
        values[target, column] = values[source, column]
    return dataclasses.replace(windows, codes=codes, numbers=numbers)


def length_groups(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each session's group of similar length, int64 [n].

    A group is one length, or neighbouring lengths with MIN_GROUP sessions together. If too few long sessions
    remain, they join the group before them.
    """
    counts = np.bincount(lengths)
    group_of_length = np.zeros(len(counts), np.int64)
    group, size = 0, 0
    for length, count in enumerate(counts):
        group_of_length[length] = group
        size += count
        if size >= MIN_GROUP:
            group, size = group + 1, 0
    if size:
        group_of_length[group_of_length == group] = max(group - 1, 0)
    return group_of_length[lengths]
