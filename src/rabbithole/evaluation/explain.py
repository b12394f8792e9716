"""Explains a trained model: importance of fields and steps, and single sessions step by step."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rabbithole.artifacts.data import EncoderFile
from rabbithole.artifacts.evaluation import (
    Explanation,
    FieldImportance,
    ImportanceLoss,
    Interval,
    Journey,
    StepImportance,
)
from rabbithole.artifacts.training import History
from rabbithole.evaluation.delong import Placements, normal_quantile, paired_test, placements
from rabbithole.evaluation.score_sessions import Logits, load_model
from rabbithole.progress import Meter
from rabbithole.specs.training import ExplainSpec
from rabbithole.windows.arrays import Windows, read_encoding, read_split, take
from rabbithole.windows.fields import FIRST_VALUE

Floats = NDArray[np.float64]

EndedLogits = Callable[[Windows], Floats]
"""A trained model: from ended sessions to the log odds of a purchase, float64 [n]."""

STEP_RANGES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
"""Steps counted from the end of a session: first, last (None: no end)."""

REPEATS = 3
"""Permutations of each field and step range; their results are averaged."""

MIN_GROUP_SESSIONS = 20
"""Sessions that a group of similar length has at least."""

MIN_CLASS_SIZE = 5
"""Sessions of each class that an AUC needs; with fewer it is noise."""


def field_importance(ended: EndedLogits, windows: Windows, rng: np.random.Generator) -> list[FieldImportance]:
    """Return the loss from permuting each field."""
    before = ended(windows)
    every = np.ones(len(windows.codes), bool)
    return [
        FieldImportance(
            field=field,
            **dict(loss(windows.buyer, before, _permuted_logits(ended, windows, every, (field,), rng))),
        )
        for field in windows.fields.names
    ]


def step_importance(ended: EndedLogits, windows: Windows, rng: np.random.Generator) -> list[StepImportance]:
    """Return what is lost by permuting all fields of some steps: by place from the end, and of the first.

    Each row is computed on the sessions that have such a step (for the first step: two steps or more).
    """
    rows = []
    for first, last in (*STEP_RANGES, (None, None)):
        sessions = take(windows, np.flatnonzero(windows.present >= (first or 2)))
        if not len(sessions):
            continue
        lengths = sessions.lengths
        position = np.arange(len(sessions.codes)) - np.repeat(sessions.offsets[:-1], lengths)
        own = np.repeat(sessions.history, lengths)
        from_end = np.repeat(lengths, lengths) - position
        if first is None:
            chosen = position == own
        else:
            chosen = (position >= own) & (from_end >= first) & (from_end <= (last or from_end.max()))
        after = _permuted_logits(ended, sessions, chosen, windows.fields.names, rng)
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
    aucs = [placements(labels, log_odds) for log_odds in after]
    auc_after = Placements(
        float(np.mean([auc.auc for auc in aucs])),
        np.mean([auc.buyers for auc in aucs], axis=0),
        np.mean([auc.non_buyers for auc in aucs], axis=0),
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
    end, and refilled in the original order. Sessions of equal length swap whole sequences. In groups of
    several lengths, sequences are split at new places. No value is lost or duplicated.
    """
    session = np.repeat(np.arange(len(windows)), windows.lengths)[chosen]
    steps = np.flatnonzero(chosen)
    group, shuffled = length_groups(windows.lengths)[session], rng.permutation(len(windows))[session]
    # Stable, so that the steps of a session stay in their order.
    target, source = (steps[np.lexsort((order, group))] for order in (session, shuffled))
    codes, numbers = windows.codes.copy(), windows.numbers.copy()
    for field in fields:
        column = windows.fields.code_column(field)
        if column is None:
            column = windows.fields.numeric.index(field)
            numbers[target, column] = numbers[source, column]
        else:
            codes[target, column] = codes[source, column]
    return dataclasses.replace(windows, codes=codes, numbers=numbers)


def length_groups(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each session's group of similar length, int64 [n].

    A group is one length, or neighbouring lengths with MIN_GROUP_SESSIONS sessions together. If too few long
    sessions remain, they join the group before them.
    """
    counts = np.bincount(lengths)
    group_of_length = np.zeros(len(counts), np.int64)
    group, size = 0, 0
    for length, count in enumerate(counts):
        group_of_length[length] = group
        size += count
        if size >= MIN_GROUP_SESSIONS:
            group, size = group + 1, 0
    if size:
        group_of_length[group_of_length == group] = max(group - 1, 0)
    return group_of_length[lengths]


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
    encoding, training = read_encoding(windows), History.read(history)
    test = read_split(windows, "test", encoding)
    rng = np.random.default_rng(spec.seed)
    sample = take(test, np.sort(rng.choice(len(test), min(MAX_SESSIONS, len(test)), replace=False)))
    logits = load_model(checkpoint)

    permutations = REPEATS * (len(encoding.fields.names) + len(STEP_RANGES) + 1)
    meter, numbers = Meter(permutations + len(STEP_RANGES) + 2, "predictions", whole=True), itertools.count()

    def ended(windows: Windows) -> NDArray[np.float64]:
        meter.update(next(numbers))
        return np.asarray(logits(windows, [0])[0])

    event_names = EncoderFile.read(checkpoint / "encoder.json").vocabularies.get("event", [])
    Explanation(
        valid_auc=training.epochs[training.best_epoch - 1].valid_auc,
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
    fitting = (windows.events >= low) & (windows.events <= high) & (windows.events == windows.present)
    sessions = take(windows, np.flatnonzero(fitting))
    if not len(sessions):
        return []
    log_odds = logits(sessions, list(range(1, min(high, int(sessions.present.max())) + 1)))
    change = log_odds[sessions.present - 1, np.arange(len(sessions))] - log_odds[0]
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
    steps = slice(windows.offsets[row] + windows.history[row], windows.offsets[row + 1])
    items, events = (windows.codes_of(field) for field in ("item", "event"))
    names = ["", "missing", "unseen", "rare", *event_names]
    seen = [] if items is None else items[steps].tolist()
    count = int(windows.present[row])
    return Journey(
        session_id=windows.session_id[row].as_py(),
        bought=bool(windows.buyer[row]),
        rising=rising,
        probability=expit(log_odds[:count]).tolist(),
        event=["event"] * count if events is None else [names[code] for code in events[steps]],
        again=None
        if items is None
        else [item >= FIRST_VALUE and item in seen[:step] for step, item in enumerate(seen)],
    )
