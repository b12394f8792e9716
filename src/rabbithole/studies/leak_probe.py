"""A hunt for leaks: what does a network learn when it may see only this, or all but that?"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rabbithole.evaluation.delong import interval, placements
from rabbithole.io.atomic import write_json
from rabbithole.models.registry import model_class
from rabbithole.training.data import Encoding, read_encoding, read_split
from rabbithole.training.loop import start
from rabbithole.training.purchase import PurchaseObjective
from rabbithole.training.trainer import Trainer, build
from rabbithole.windows.arrays import Windows, take
from rabbithole.windows.fields import CATEGORICAL, MISSING, NUMERIC

FIELDS = (*CATEGORICAL, *NUMERIC)
LEVEL = 0.99
"""Of the intervals: a hunt of twenty shots would hit something by chance at 95 %."""

HIGH_ALONE = 0.9
"""An AUC above this is suspicious for a single field or event: none of a shop's alone says who buys."""

HIGH = 0.95
FALL = 0.1
"""So much less AUC without the last event is suspicious where the AUC with it is that high. (Where it is not,
the last event may well tell much: it is where the shopper stood in the end.)"""

SHUFFLED, AS_IT_IS, NOTHING = "labels shuffled", "as it is", "no field, only how many events"
TWO_OR_MORE, NO_LAST = "sessions of two events or more", "the same, without their last event"

Data = dict[str, Windows]
Change = Callable[[Windows], Windows]


def probe_leaks(
    *,
    model: str,
    settings: dict[str, Any],
    training: dict[str, Any],
    windows: Path,
    sessions: int,
    seed: int,
    output: Path,
) -> None:
    """Train a network briefly, again and again, each time on other parts of the data, and write audit.json.

    sessions: how many of each split are looked at, at most, drawn at random. `output`: {"probes": [{"name",
    "sessions", "buyers", "auc", "low", "high"}], "findings": [text]}; the intervals are of 99 %.
    """
    encoding = read_encoding(windows)
    draw = np.random.default_rng(seed)
    data = {
        split: _some(read_split(windows, split, encoding), sessions, draw)
        for split in ("train", "valid", "test")
    }
    subject = Subject(model, settings, training, data, encoding, seed=seed)
    rows = []
    for name, changed in probes(data, seed=seed):
        auc, low, high = subject.auc(changed)
        test = changed["test"]
        facts = {"name": name, "sessions": len(test), "buyers": int(test.buyer.sum())}
        rows.append(facts | {"auc": auc, "low": low, "high": high})
        print(f"{name}: AUC {auc:.3f} [{low:.3f}, {high:.3f}]", flush=True)
    write_json(output, {"probes": rows, "findings": findings(rows)})


def probes(data: Data, *, seed: int) -> Iterator[tuple[str, Data]]:
    """Yield the name of each probe and what it lets the network see."""
    yield AS_IT_IS, data
    yield SHUFFLED, _shuffled(data, seed)
    yield NOTHING, _each(data, partial(_without, hidden=FIELDS))
    for field in FIELDS:
        others = tuple(other for other in FIELDS if other != field)
        yield f"only {field}", _each(data, partial(_without, hidden=others))
    for field in FIELDS:
        yield f"without {field}", _each(data, partial(_without, hidden=(field,)))
    longer = _each(data, lambda windows: take(windows, np.flatnonzero(windows.lengths > 1)))
    # A log may have none, or none that buys.
    if all(0 < windows.buyer.sum() < len(windows) for windows in longer.values()):
        yield TWO_OR_MORE, longer
        yield NO_LAST, _each(longer, _without_last)


def findings(rows: list[dict[str, Any]]) -> list[str]:
    """Return what is suspicious about the probes' AUCs, in words; nothing where nothing is."""
    found, by_name = [], {row["name"]: row for row in rows}
    shuffled = by_name[SHUFFLED]
    if not shuffled["low"] <= 0.5 <= shuffled["high"]:
        found.append(
            f"With shuffled labels the AUC is {shuffled['auc']:.3f}, not 0.5: train knows test's sessions."
        )
    if by_name[AS_IT_IS]["auc"] > HIGH:
        found.append(f"An AUC of {by_name[AS_IT_IS]['auc']:.3f} is too good to be true.")
    length = by_name[NOTHING]["auc"]
    if length > HIGH_ALONE:
        found.append(f"The number of events alone has an AUC of {length:.3f}: it seems to tell the answer.")
    for field in FIELDS:
        alone = by_name[f"only {field}"]["auc"]
        if alone > HIGH_ALONE:
            found.append(f"The field {field} alone has an AUC of {alone:.3f}: it seems to tell the answer.")
    if TWO_OR_MORE not in by_name:
        return found
    with_last = by_name[TWO_OR_MORE]["auc"]
    fall = with_last - by_name[NO_LAST]["auc"]
    if with_last > HIGH_ALONE and fall > FALL:
        found.append(
            f"Without the last event of each session the AUC falls from {with_last:.3f} by {fall:.3f}: that "
            "event seems to tell the answer."
        )
    return found


class Subject:
    """A network that is trained anew for each probe; what is compiled is compiled once."""

    def __init__(
        self,
        model: str,
        settings: dict[str, Any],
        training: dict[str, Any],
        data: Data,
        encoding: Encoding,
        *,
        seed: int,
    ) -> None:
        self.task = PurchaseObjective(data["train"], data["valid"], balance="none", prefixes=False)
        self.trainer = Trainer(
            build(
                model_class(model),
                settings,
                sizes=encoding.sizes,
                length=encoding.length,
                roots=encoding.roots,
                outputs=PurchaseObjective.outputs,
                seed=seed,
            ),
            self.task,
            length=encoding.length,
            settings=settings,
            training=training,
            event_dropout=0.0,
            seed=seed,
        )
        self.untrained = jax.tree.map(np.asarray, self.trainer.progress.state)

    def auc(self, data: Data) -> tuple[float, float, float]:
        """Train, and return the AUC on test and the ends of its interval."""
        trainer = self.trainer
        trainer.learn_from(data["train"], data["valid"])
        learned = jax.tree.map(jnp.array, self.untrained)
        trainer.progress = start(trainer, learned)
        trainer.run()
        test = data["test"]
        parts = placements(test.buyer, self.task.logits(trainer.forward, test, [0], trainer.shapes)[0])
        return parts.auc, *interval(parts, LEVEL)


def _some(windows: Windows, most: int, draw: np.random.Generator) -> Windows:
    if len(windows) <= most:
        return windows
    return take(windows, np.sort(draw.choice(len(windows), most, replace=False)))


def _each(data: Data, change: Change) -> Data:
    return {split: change(windows) for split, windows in data.items()}


def _shuffled(data: Data, seed: int) -> Data:
    """Deal all labels out anew, one to each session id: who stands in train and in test keeps one label."""
    names = np.unique(np.concatenate([_names(windows) for windows in data.values()]))
    share = np.concatenate([windows.buyer for windows in data.values()]).mean()
    label = np.zeros(len(names), np.int8)
    label[: round(share * len(names))] = 1
    label = np.random.default_rng(seed).permutation(label)

    def relabelled(windows: Windows) -> Windows:
        places = np.searchsorted(names, _names(windows))
        return dataclasses.replace(windows, buyer=label[places])

    return _each(data, relabelled)


def _names(windows: Windows) -> NDArray[np.str_]:
    return np.asarray(windows.session_id.to_numpy(zero_copy_only=False).astype(str))


def _without(windows: Windows, hidden: tuple[str, ...]) -> Windows:
    codes, numbers = windows.codes.copy(), windows.numbers.copy()
    for field in hidden:
        if field in CATEGORICAL:
            codes[:, CATEGORICAL.index(field)] = MISSING
        else:
            numbers[:, NUMERIC.index(field)] = np.nan
    return dataclasses.replace(windows, codes=codes, numbers=numbers)


def _without_last(windows: Windows) -> Windows:
    kept: NDArray[np.bool_] = np.ones(len(windows.codes), bool)
    kept[windows.offsets[1:] - 1] = False
    offsets = windows.offsets - np.arange(len(windows.offsets))
    return dataclasses.replace(
        windows, offsets=offsets, codes=windows.codes[kept], numbers=windows.numbers[kept]
    )
