"""Searches for leaks: what does a network learn from one field alone, or from all but one?"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rabbithole.artifacts.studies import LeakProbe, LeakProbes
from rabbithole.evaluation.delong import MIN_CLASS_SIZE, auc_interval, placements
from rabbithole.specs.evaluation import LeakProbeSpec
from rabbithole.training.loop import start
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.trainer import make_trainer
from rabbithole.windows.arrays import Windows, read_encoding, read_split, take
from rabbithole.windows.fields import MISSING

LOGGER = logging.getLogger("rabbithole")

CONFIDENCE_LEVEL = 0.99
"""Level of the intervals: of twenty probes, one would miss its 95 % interval by chance."""

SUSPICIOUS_ALONE = 0.9
"""AUC above which a single field or event is suspicious: in a shop, none of them determines the purchase."""

SUSPICIOUS = 0.95
"""AUC above which all fields together are suspicious."""

SUSPICIOUS_LOSS = 0.1
"""Loss of AUC without the last event that is suspicious where the AUC is above SUSPICIOUS_ALONE. Below that
the last event may well be informative: it shows where the shopper left off."""

ALL, SHUFFLED, NOTHING = "all fields", "all fields, labels shuffled", "no field, only the number of events"
ONLY = "only "
"""The name of a probe that sees a single field begins with this."""

TWO_OR_MORE, NO_LAST = "sessions of two or more events", "the same sessions without their last event"

Data = dict[str, Windows]
"""Windows by split: train, valid and test."""


def probe_leaks(spec: LeakProbeSpec, *, windows: Path, output: Path) -> None:
    """Train a network on different parts of the data, once per probe; write leak_probes.json."""
    encoding = read_encoding(windows)
    rng = np.random.default_rng(spec.seed)
    data = {
        split: _sample(read_split(windows, split, encoding), spec.sessions, rng)
        for split in ("train", "valid", "test")
    }
    if not _have_both_classes(data):
        counts = ", ".join(
            f"{windows_of_split.buyer.sum():,} of {len(windows_of_split):,} in {split}"
            for split, windows_of_split in data.items()
        )
        few = f"There are too few buyers, or too few others, for leak probes: {counts}."
        LeakProbes(probes=[], findings=[few]).write(output)
        return
    objective = PurchaseObjective(data["train"], data["valid"], balance="none", prefixes=False)
    trainer = make_trainer(
        spec.model, spec.settings, spec.training, objective, encoding, event_dropout=0.0, seed=spec.seed
    )
    # One trainer for all probes, as it compiles its programs once.
    untrained = jax.tree.map(np.asarray, trainer.progress.state)
    probes = []
    for name, visible in probe_data(data, seed=spec.seed):
        trainer.set_data(visible["train"], visible["valid"])
        trainer.progress = start(trainer, jax.tree.map(jnp.array, untrained))
        trainer.run(part=name)
        test = visible["test"]
        auc = placements(test.buyer, objective.logits(trainer.forward, test, [0], trainer.shapes)[0])
        low, high = auc_interval(auc, CONFIDENCE_LEVEL)
        probes.append(
            LeakProbe(
                name=name, sessions=len(test), buyers=int(test.buyer.sum()), auc=auc.auc, low=low, high=high
            )
        )
        LOGGER.info("%s: AUC %.3f [%.3f, %.3f]", name, auc.auc, low, high)
    LeakProbes(probes=probes, findings=findings(probes)).write(output)


def probe_data(data: Data, *, seed: int) -> Iterator[tuple[str, Data]]:
    """Yield the name of each probe and the data that its network sees."""
    yield ALL, data
    yield SHUFFLED, _shuffle_labels(data, seed)
    fields = data["train"].fields.names
    yield NOTHING, _map(partial(_hide, fields=fields), data)
    for field in fields:
        others = tuple(other for other in fields if other != field)
        yield ONLY + field, _map(partial(_hide, fields=others), data)
    for field in fields:
        yield f"without {field}", _map(partial(_hide, fields=(field,)), data)
    longer = _map(lambda windows: take(windows, np.flatnonzero(windows.present > 1)), data)
    # A log may have no such sessions, or no buyers among them.
    if _have_both_classes(longer):
        yield TWO_OR_MORE, longer
        yield NO_LAST, _map(_drop_last, longer)


def _have_both_classes(data: Data) -> bool:
    """Return whether each split has the buyers and the others that an AUC's interval needs."""
    buyers = [int(windows.buyer.sum()) for windows in data.values()]
    sizes = [len(windows) for windows in data.values()]
    return all(
        MIN_CLASS_SIZE <= count <= size - MIN_CLASS_SIZE for count, size in zip(buyers, sizes, strict=True)
    )


def findings(probes: Sequence[LeakProbe]) -> list[str]:
    """Return sentences on what is suspicious about the probes' AUCs."""
    sentences, by_name = [], {probe.name: probe for probe in probes}
    shuffled = by_name[SHUFFLED]
    if not shuffled.low <= 0.5 <= shuffled.high:
        sentences.append(
            f"With shuffled labels the AUC is {shuffled.auc:.3f}, not 0.5: sessions of test are in train."
        )
    if by_name[ALL].auc > SUSPICIOUS:
        sentences.append(f"An AUC of {by_name[ALL].auc:.3f} is too good to be true.")
    length = by_name[NOTHING].auc
    if length > SUSPICIOUS_ALONE:
        sentences.append(f"The number of events alone has an AUC of {length:.3f}: it may contain the label.")
    for name, probe in by_name.items():
        if name.startswith(ONLY) and probe.auc > SUSPICIOUS_ALONE:
            field = name.removeprefix(ONLY)
            sentences.append(
                f"The field {field} alone has an AUC of {probe.auc:.3f}: it may contain the label."
            )
    if TWO_OR_MORE not in by_name:
        return sentences
    with_last = by_name[TWO_OR_MORE].auc
    lost = with_last - by_name[NO_LAST].auc
    if with_last > SUSPICIOUS_ALONE and lost > SUSPICIOUS_LOSS:
        sentences.append(
            f"Without the last event of each session the AUC falls from {with_last:.3f} by {lost:.3f}: that "
            "event may contain the label."
        )
    return sentences


def _sample(windows: Windows, sessions: int, rng: np.random.Generator) -> Windows:
    if len(windows) <= sessions:
        return windows
    return take(windows, np.sort(rng.choice(len(windows), sessions, replace=False)))


def _map(change: Callable[[Windows], Windows], data: Data) -> Data:
    return {split: change(windows) for split, windows in data.items()}


def _shuffle_labels(data: Data, seed: int) -> Data:
    """Shuffle the labels over session ids, so that a session in both train and test has one label."""
    ids = np.unique(np.concatenate([_session_ids(windows) for windows in data.values()]))
    share = np.concatenate([windows.buyer for windows in data.values()]).mean()
    labels = np.zeros(len(ids), np.int8)
    labels[: round(share * len(ids))] = 1
    labels = np.random.default_rng(seed).permutation(labels)

    def relabel(windows: Windows) -> Windows:
        return dataclasses.replace(windows, buyer=labels[np.searchsorted(ids, _session_ids(windows))])

    return _map(relabel, data)


def _session_ids(windows: Windows) -> NDArray[np.str_]:
    return np.asarray(windows.session_id.to_numpy(zero_copy_only=False).astype(str))


def _hide(windows: Windows, fields: tuple[str, ...]) -> Windows:
    """Return windows in which some fields are missing at every step."""
    codes, numbers = windows.codes.copy(), windows.numbers.copy()
    for field in fields:
        column = windows.fields.code_column(field)
        if column is None:
            numbers[:, windows.fields.numeric.index(field)] = np.nan
        else:
            codes[:, column] = MISSING
    return dataclasses.replace(windows, codes=codes, numbers=numbers)


def _drop_last(windows: Windows) -> Windows:
    """Return windows without the last event of each session."""
    kept: NDArray[np.bool_] = np.ones(len(windows.codes), bool)
    kept[windows.offsets[1:] - 1] = False
    offsets = windows.offsets - np.arange(len(windows.offsets))
    return dataclasses.replace(
        windows, offsets=offsets, codes=windows.codes[kept], numbers=windows.numbers[kept]
    )
