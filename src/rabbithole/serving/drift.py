"""Drift: how far the values of each field, and the scores, have moved since training."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.data import Fields
from rabbithole.artifacts.serving import Drift, FieldReference, Reference
from rabbithole.windows.arrays import Windows
from rabbithole.windows.fields import UNSEEN

MAX_CODES = 50
"""Codes of a field with a bin of their own: the most frequent in train."""

NUMBER_BINS = 10

SMALLEST_SHARE = 1e-4
"""Shares are at least this large, so that an empty bin does not make the index infinite."""

SAMPLE_SESSIONS = 200_000
"""Train sessions that the distributions are taken from, at most."""

MOVED = 0.25
"""A population stability index above this is commonly taken for a major change (Siddiqi 2006, Credit Risk
Scorecards, chapter 10); above 0.1 for a minor one."""


def reference(train: Iterable[Windows], fields: Fields, scores: NDArray[np.float64]) -> Reference:
    """Return the distributions of the scores, float64 [n], and of the fields in the windows of train."""
    parts, sessions = [], 0
    for part in train:
        parts.append(part)
        sessions += len(part)
        if sessions >= SAMPLE_SESSIONS:
            break
    codes = np.concatenate([part.codes for part in parts])
    numbers = np.concatenate([part.numbers for part in parts])
    references = {}
    for column, name in enumerate(fields.categorical):
        values, counts = np.unique(codes[:, column], return_counts=True)
        bins = values[np.argsort(-counts, kind="stable")][:MAX_CODES].astype(float)
        references[name] = _counted(
            FieldReference(numeric=False, bins=bins.tolist(), shares=[]), codes[:, column]
        )
    for column, name in enumerate(fields.numeric):
        references[name] = _number_reference(numbers[:, column])
    return Reference(
        fields=references, score=_number_reference(scores), unseen_items=unseen_items(codes, fields)
    )


def _number_reference(values: NDArray[np.floating]) -> FieldReference:
    known = values[~np.isnan(values)]
    inner = np.linspace(0, 1, NUMBER_BINS + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)).tolist() if len(known) else []
    return _counted(FieldReference(numeric=True, bins=edges, shares=[]), values)


def _counted(field: FieldReference, values: NDArray[np.generic]) -> FieldReference:
    counts = bin_counts(field, values)
    return field.model_copy(update={"shares": (counts / max(counts.sum(), 1)).tolist()})


def bin_counts(field: FieldReference, values: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return how many values fall into each bin of a reference, int64 [bins]."""
    if not field.numeric:
        bins = np.array(field.bins)
        order = np.argsort(bins)
        place = np.minimum(np.searchsorted(bins[order], values), len(bins) - 1)
        known = bins[order][place] == values if len(bins) else np.zeros(len(values), bool)
        which = np.where(known, order[place], len(bins))
        return np.bincount(which, minlength=len(bins) + 1)
    numbers = values.astype(float)
    missing = np.isnan(numbers)
    which = np.where(missing, len(field.bins) + 1, np.searchsorted(field.bins, numbers, side="right"))
    return np.bincount(which, minlength=len(field.bins) + 2)


def stability_index(before: Sequence[float], counts: NDArray[np.int64]) -> float:
    """Return the population stability index of counts now against shares before."""
    old = np.maximum(np.array(before), SMALLEST_SHARE)
    new = np.maximum(counts / max(counts.sum(), 1), SMALLEST_SHARE)
    return float(np.sum((new - old) * np.log(new / old)))


def unseen_items(codes: NDArray[np.int32], fields: Fields) -> float:
    """Return the share of items that train does not contain; 0 for a log without items."""
    column = fields.code_column("item")
    return 0.0 if column is None or len(codes) == 0 else float(np.mean(codes[:, column] == UNSEEN))


def ranked(known: Reference, counts: dict[str, NDArray[np.int64]], score: NDArray[np.int64]) -> list[Drift]:
    """Return the drift of the score and of every field, the largest first."""
    drift = [Drift(name="score", index=stability_index(known.score.shares, score))]
    drift += [
        Drift(name=name, index=stability_index(field.shares, counts[name]))
        for name, field in known.fields.items()
        if name in counts
    ]
    return sorted(drift, key=lambda entry: (-entry.index, entry.name))
